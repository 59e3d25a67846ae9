"""OpenAI's Batch API: requests that the SDK knows, batches and rows as its documents show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, Received
from packmule.core.jobs import JobRow, JobSeen, custom_id
from packmule.providers import openai
from packmule.providers.jobs_codec import CANCELLED, EXPIRED
from packmule.providers.openai_jobs import CODEC, create, listed, page, seen, upload, uploaded
from tests.providers.judges import openai_accepts, openai_accepts_batch, openai_answers, openai_batch, openai_file
from tests.providers.orders import CASES, no_blobs

BASE = "https://api.openai.com/v1"
MARKER = "pm3k9x2m4q7z"


def batch(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "batch_abc123",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": "file-abc123",
        "completion_window": "24h",
        "status": "in_progress",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": 1_790_000_000,
        "expires_at": 1_790_086_400,
        "request_counts": {"total": 100, "completed": 40, "failed": 2},
        "metadata": {"packmule": MARKER},
    }
    return {**body, **changes}


def looked(official: bool = True, **changes: Any) -> JobSeen:
    data = msgspec.json.encode(batch(**changes))
    got = seen(Received(200, {}, openai_batch(data) if official else data))
    assert isinstance(got, JobSeen), got
    return got


def answered(name: str, status: int, body: Any) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": name, "response": response, "error": None}


def completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi!", "refusal": None}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4.1",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }
    openai_answers(msgspec.json.encode(body))
    return body


def rows(tmp_path: Path, *lines: Any) -> list[JobRow]:
    path = tmp_path / "results"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines))
    return list(CODEC.rows(path))


@pytest.mark.parametrize("case", CASES)
def test_a_line_holds_the_realtime_body_and_no_line_break(case: str) -> None:
    body = openai.encode(openai.OPENAI, "gpt-4.1", CASES[case], no_blobs)
    line = CODEC.line(custom_id(MARKER, 7), body)
    assert b"\n" not in line
    read = msgspec.json.decode(line)
    assert read.keys() == {"custom_id", "method", "url", "body"}
    assert (read["custom_id"], read["method"], read["url"]) == (f"{MARKER}-7", "POST", "/v1/chat/completions")
    assert msgspec.json.decode(body) == read["body"] == openai_accepts(msgspec.json.encode(read["body"]))


def test_the_file_has_one_line_a_request_and_no_empty_one() -> None:
    assert CODEC.body(MARKER, [b'{"a":1}', b'{"a":2}']) == b'{"a":1}\n{"a":2}\n'


@pytest.mark.parametrize("content", [b'{"a":1}\n', f"--packmule-{MARKER}--".encode(), b"\r\n--\r\n"])
def test_an_upload_is_a_form_whose_boundary_stands_nowhere_in_the_file(content: bytes) -> None:
    request = upload(BASE, MARKER, content)
    assert (request.method, request.url) == ("POST", f"{BASE}/files")
    media, _, boundary = request.headers["content-type"].partition("; boundary=")
    assert media == "multipart/form-data"
    first, purpose, file, last = request.body.split(b"--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    assert purpose == b'\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head, _, sent = file.partition(b"\r\n\r\n")
    assert f'name="file"; filename="{MARKER}.jsonl"'.encode() in head
    assert sent == content + b"\r\n"


def test_an_uploaded_file_is_known_by_its_id() -> None:
    body = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "x.jsonl", "purpose": "batch"}
    data = openai_file(msgspec.json.encode({**body, "status": "processed"}))
    assert uploaded(Received(200, {}, data)) == "file-1"
    for odd in (b"{}", b"[]", b"<html>", b'{"id": 7}'):
        assert isinstance(uploaded(Received(200, {}, odd)), Fault)


def test_a_batch_is_made_of_its_file_under_its_marker() -> None:
    request = create(BASE, "gpt-4.1", MARKER, b"", "file-1")
    assert (request.method, request.url) == ("POST", f"{BASE}/batches")
    body = openai_accepts_batch(request.body)
    assert body["input_file_id"] == "file-1"
    assert body["metadata"] == {"packmule": MARKER}
    assert looked(metadata=body["metadata"]).marker == MARKER


def test_what_is_asked_of_a_batch_goes_to_its_address() -> None:
    assert (CODEC.poll(BASE, "batch_1").method, CODEC.poll(BASE, "batch_1").url) == ("GET", f"{BASE}/batches/batch_1")
    request = CODEC.cancel(BASE, "batch_1")
    assert (request.method, request.url) == ("POST", f"{BASE}/batches/batch_1/cancel")
    assert page(BASE, "").url == f"{BASE}/batches?limit=100"
    assert page(BASE, "batch_1").url == f"{BASE}/batches?limit=100&after=batch_1"
    assert CODEC.poll(BASE, "../files?x#y").url == f"{BASE}/batches/..%2Ffiles%3Fx%23y"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("validating", "running"),
        ("in_progress", "running"),
        ("finalizing", "running"),
        ("cancelling", "running"),
        ("completed", "ended"),
        ("failed", "failed"),
        ("expired", "expired"),
        ("cancelled", "cancelled"),
    ],
)
def test_every_status_of_the_sdk_has_its_state(status: str, state: str) -> None:
    assert looked(status=status).state == state


def test_a_status_that_nobody_knows_counts_as_running_and_is_named() -> None:
    got = looked(official=False, status="pondering")
    assert (got.state, got.message) == ("running", "the provider calls its state 'pondering'")


def test_a_batch_is_read_with_its_counts_and_time() -> None:
    got = looked()
    assert (got.id, got.marker, got.created_s) == ("batch_abc123", MARKER, 1_790_000_000.0)
    assert (got.requests, got.done, got.wrong, got.results) == (100, 40, 2, ())


def test_counts_of_a_batch_that_nobody_counted_yet_are_unknown_and_not_zero() -> None:
    for counts in ({"total": 0, "completed": 0, "failed": 0}, None):
        got = looked(status="validating", request_counts=counts)
        assert (got.requests, got.done, got.wrong) == (None, None, None)


def test_both_files_are_results_and_either_may_be_missing() -> None:
    assert looked(status="expired", output_file_id="o", error_file_id="e").results == ("o", "e")
    assert looked(status="completed", error_file_id="e").results == ("e",)


def test_somebody_elses_batch_has_no_marker() -> None:
    assert looked(metadata=None).marker == ""
    assert looked(metadata={"customer": "x"}).marker == ""


def test_a_refused_batch_says_why_and_names_its_lines_from_zero() -> None:
    errors = [
        {"code": "invalid_json_line", "line": 3, "message": "This line is not parseable as valid JSON.", "param": None},
        {"code": "duplicate_custom_id", "line": 1, "message": "Used twice.", "param": "custom_id"},
        {"code": "token_limit_exceeded", "line": None, "message": "Enqueued token limit reached.", "param": None},
    ]
    got = looked(status="failed", errors={"object": "list", "data": errors})
    assert got.bad_lines == (0, 2)
    assert "invalid_json_line: This line is not parseable" in got.message
    assert "token_limit_exceeded" in got.message


def test_a_refused_batch_without_a_reason_says_so() -> None:
    assert looked(status="failed").message == "no reason given"


def test_a_page_leads_on_by_its_last_id_until_there_is_no_more() -> None:
    data = [batch(id="b2"), batch(id="b1")]
    more = listed(Received(200, {}, msgspec.json.encode({"object": "list", "data": data, "has_more": True})))
    last = listed(Received(200, {}, msgspec.json.encode({"object": "list", "data": data, "has_more": False})))
    assert not isinstance(more, Fault)
    assert not isinstance(last, Fault)
    assert ([job.id for job in more.jobs], more.after, last.after) == (["b2", "b1"], "b1", "")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"{}",
        b"[]",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [7], "has_more": false}',
        b'{"data": [{"status": "failed"}]}',
        b'{"data": [], "has_more": true}',
        b'{"data": [{"id": "b1"}',
    ],
)
def test_a_listing_that_cannot_be_read_whole_is_a_fault_and_never_an_empty_list(body: bytes) -> None:
    assert isinstance(listed(Received(200, {}, body)), Fault)


def test_a_good_row_is_an_answer_as_if_it_had_come_alone(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, answered("a-0", 200, completion()))
    assert row.custom_id == "a-0"
    assert row.received is not None
    answer = openai.decode(row.received)
    assert isinstance(answer, Answer)
    assert (answer.text, answer.usage and answer.usage.tokens_out) == ("Hi!", 5)


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [(400, "invalid_request", "rejected"), (429, "rate_limit", "rejected"), (500, "server_error", "unknown")],
)
def test_a_refused_row_is_the_fault_of_its_status(tmp_path: Path, status: int, kind: str, outcome: str) -> None:
    body = {"error": {"message": "Too long.", "type": "invalid_request_error", "param": "messages", "code": None}}
    (row,) = rows(tmp_path, answered("a-0", status, body))
    assert row.received is not None
    fault = openai.decode(row.received)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == (kind, outcome)
    assert "Too long." in fault.message


@pytest.mark.parametrize(("code", "why"), [("batch_expired", EXPIRED), ("batch_cancelled", CANCELLED)])
def test_rows_of_what_was_not_done_cost_nothing_and_say_why(tmp_path: Path, code: str, why: str) -> None:
    error = {"code": code, "message": "This request was not executed."}
    (row,) = rows(tmp_path, {"id": "r", "custom_id": "a-0", "response": None, "error": error})
    assert row == JobRow("a-0", None, why)


@pytest.mark.parametrize("code", ["request_timeout", "something_new", None])
def test_an_error_inside_may_have_been_billed(tmp_path: Path, code: str | None) -> None:
    error = {"code": code, "message": "The call timed out."}
    (row,) = rows(tmp_path, {"id": "r", "custom_id": "a-0", "response": None, "error": error})
    assert row.received is not None
    fault = openai.decode(row.received)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("server_error", "unknown")
    assert "The call timed out." in fault.message


def test_rows_of_both_files_stand_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    expired = {"custom_id": "a-1", "response": None, "error": {"code": "batch_expired", "message": ""}}
    got = rows(tmp_path, answered("a-2", 200, completion()), answered("a-0", 200, completion()), expired)
    assert [row.custom_id for row in got] == ["a-2", "a-0", "a-1"]


def test_lines_that_are_no_rows_are_left_out_and_the_others_are_kept(tmp_path: Path) -> None:
    good = answered("a-9", 200, completion())
    odd: list[Any] = [
        b"",
        b"<html><body>502</body></html>",
        b"\xff\xfe",
        b"[1, 2]",
        b"7",
        b"null",
        b'{"custom_id": 7, "response": {"status_code": 200, "body": {}}, "error": null}',
        b'{"custom_id": "a-1"}',
        b'{"custom_id": "a-1", "response": "yes", "error": "no"}',
        b'{"custom_id": "a-1", "response": {"status_code": true, "body": {}}}',
        b'{"custom_id": "a-1", "response": {"status_code": 10000000000000000000000, "body": {}}}',
        b"[" * 100_000,
        msgspec.json.encode(good)[:-40],
    ]
    assert [row.custom_id for row in rows(tmp_path, *odd, good)] == ["a-9"]
    assert [row.custom_id for row in rows(tmp_path, good, *odd)] == ["a-9"]


def test_half_a_surrogate_pair_in_a_paid_answer_loses_nothing(tmp_path: Path) -> None:
    line = msgspec.json.encode(answered("a-0", 200, completion())).replace(b"Hi!", rb"Hi\ud83d")
    (row,) = rows(tmp_path, line)
    assert row.received is not None
    answer = openai.decode(row.received)
    assert isinstance(answer, Answer)
    assert answer.text == "Hi\ufffd"


def test_the_limits_are_the_documents(tmp_path: Path) -> None:
    limits = CODEC.limits
    assert (limits.requests, limits.bytes, limits.discount, limits.uploads) == (50_000, 200_000_000, (1, 2), True)
    assert limits.marked
    assert re.fullmatch(r"[\x20-\x7e]{1,512}", MARKER)

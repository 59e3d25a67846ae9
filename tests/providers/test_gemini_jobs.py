"""Gemini's batch: the body that the SDK itself sends, operations and rows as documents and SDK show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, Received
from packmule.core.jobs import JobRow, JobSeen, custom_id
from packmule.providers import gemini
from packmule.providers.gemini_jobs import CODEC, STATES, create, listed, page, seen
from packmule.providers.jobs_codec import CANCELLED
from tests.providers.judges import gemini_accepts, gemini_job, gemini_states, gemini_wants_batch
from tests.providers.orders import CASES, no_blobs

BASE = "https://generativelanguage.googleapis.com"
MARKER = "pm3k9x2m4q7z"
MODEL = "gemini-2.5-flash"


def operation(state: str = "BATCH_STATE_RUNNING", *, requests: Any = "2", **changes: Any) -> dict[str, Any]:
    metadata = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{MODEL}",
        "displayName": MARKER,
        "createTime": "2026-11-22T18:37:24.100435345Z",
        "updateTime": "2026-11-22T18:37:24.100435345Z",
        "batchStats": {"requestCount": requests, "successfulRequestCount": "1", "pendingRequestCount": "1"},
        "state": state,
        "name": "batches/abc123",
    }
    return {"name": "batches/abc123", "metadata": metadata, **changes}


def ended(*answers: Any, requests: Any = None, state: str = "BATCH_STATE_SUCCEEDED") -> dict[str, Any]:
    kind = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput"
    response = {"@type": kind, "inlinedResponses": {"inlinedResponses": list(answers)}}
    counted = str(len(answers)) if requests is None else requests
    return operation(state, requests=counted, done=True, response=response)


def looked(body: dict[str, Any]) -> JobSeen:
    got = seen(Received(200, {}, msgspec.json.encode(body)))
    assert isinstance(got, JobSeen), got
    return got


def answer(text: str = "Hi!", key: str | None = None) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25}
    found: dict[str, Any] = {"response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL}}
    return found if key is None else {**found, "metadata": {"key": key}}


def rows(tmp_path: Path, body: dict[str, Any] | bytes) -> list[JobRow]:
    path = tmp_path / "results"
    path.write_bytes(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return list(CODEC.rows(path))


def texts(found: list[JobRow]) -> dict[str, str]:
    said = {}
    for row in found:
        assert row.received is not None
        decoded = gemini.decode(row.received)
        assert isinstance(decoded, Answer)
        said[row.custom_id] = decoded.text
    return said


def test_the_body_is_the_one_that_the_sdk_sends_itself() -> None:
    contents = [{"role": "user", "parts": [{"text": "Hello"}]}]
    keys = [custom_id(MARKER, place) for place in range(2)]
    lines = [CODEC.line(key, msgspec.json.encode({"contents": contents})) for key in keys]
    request = create(BASE, MODEL, MARKER, CODEC.body(MARKER, lines), None)
    assert (request.method, request.url) == ("POST", f"{BASE}/v1beta/models/{MODEL}:batchGenerateContent")
    wanted = gemini_wants_batch(MARKER, contents, keys)
    assert msgspec.json.decode(request.body) == {"batch": wanted["batch"]}
    assert wanted["_url"] == {"model": f"models/{MODEL}"}


@pytest.mark.parametrize("case", CASES)
def test_a_line_holds_the_realtime_body(case: str) -> None:
    body = gemini.encode(MODEL, CASES[case], no_blobs)
    sent = msgspec.json.decode(CODEC.body(MARKER, [CODEC.line(custom_id(MARKER, 0), body)]))
    (entry,) = sent["batch"]["inputConfig"]["requests"]["requests"]
    assert entry["metadata"] == {"key": f"{MARKER}-0"}
    assert gemini_accepts(msgspec.json.encode(entry["request"])) == msgspec.json.decode(body)


@pytest.mark.parametrize("base", [BASE, f"{BASE}/v1beta", f"{BASE}/v1"])
def test_what_is_asked_of_a_job_goes_to_its_address(base: str) -> None:
    root = f"{BASE}/v1beta/batches"
    assert (CODEC.poll(base, "batches/abc").method, CODEC.poll(base, "batches/abc").url) == ("GET", f"{root}/abc")
    assert CODEC.fetch(base, "batches/abc").url == f"{root}/abc"  # type: ignore[union-attr]
    request = CODEC.cancel(base, "batches/abc")
    assert (request.method, request.url) == ("POST", f"{root}/abc:cancel")
    assert page(base, "").url == f"{root}?pageSize=10"
    assert page(base, "a+b=").url == f"{root}?pageSize=10&pageToken=a%2Bb%3D"


@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
@pytest.mark.parametrize("word", STATES)
def test_every_state_is_read_under_both_of_its_names(prefix: str, word: str) -> None:
    assert looked(operation(f"{prefix}{word}")).state == STATES[word]


def test_every_state_of_the_sdk_has_its_state_here() -> None:
    assert {f"JOB_STATE_{word}" for word in STATES} == gemini_states() - {"JOB_STATE_UNSPECIFIED"}
    for word in ("RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"):
        official = gemini_job(msgspec.json.encode(operation(f"BATCH_STATE_{word}")))
        assert official.done == (STATES[word] != "running")


def test_a_job_is_read_as_the_sdk_reads_it() -> None:
    body = operation()
    official, got = gemini_job(msgspec.json.encode(body)), looked(body)
    assert (got.id, got.marker) == (official.name, official.display_name) == ("batches/abc123", MARKER)
    assert official.create_time is not None
    assert got.created_s == pytest.approx(official.create_time.timestamp(), abs=1e-3)
    assert (got.requests, got.done, got.wrong, got.results) == (2, 1, 0, ())


def test_a_job_without_counts_does_not_know_them() -> None:
    body = operation()
    del body["metadata"]["batchStats"]
    got = looked(body)
    assert (got.requests, got.done, got.wrong) == (None, None, None)


def test_an_ended_job_holds_its_own_results_wherever_they_stand() -> None:
    body = ended(answer())
    assert (looked(body).state, looked(body).results) == ("ended", ("batches/abc123",))
    body["metadata"]["output"] = body.pop("response")
    assert looked(body).results == ("batches/abc123",)
    official = gemini_job(msgspec.json.encode(body))
    assert official.dest is not None
    assert official.dest.inlined_responses is not None
    assert len(official.dest.inlined_responses) == 1


def test_a_job_that_expired_has_no_results() -> None:
    got = looked(operation("BATCH_STATE_EXPIRED", done=True))
    assert (got.state, got.results) == ("expired", ())


def test_a_failed_job_says_why() -> None:
    got = looked(operation("BATCH_STATE_FAILED", done=True, error={"code": 3, "message": "Request 1 is invalid."}))
    assert (got.state, got.message, got.bad_lines) == ("failed", "Request 1 is invalid.", ())
    assert looked(operation("BATCH_STATE_FAILED")).message == "no reason given"


def test_a_state_that_nobody_knows_counts_as_running_until_the_operation_is_done() -> None:
    assert looked(operation("BATCH_STATE_PONDERING")).state == "running"
    assert "'PONDERING'" in looked(operation("BATCH_STATE_PONDERING")).message
    assert looked(operation("BATCH_STATE_PONDERING", done=True)).state == "ended"
    assert looked(operation("", done=True, error={"code": 13, "message": "x"})).state == "failed"


def test_a_cancel_is_answered_by_nothing_and_the_job_goes_on_until_a_poll_says_otherwise() -> None:
    assert CODEC.cancelled("batches/a", Received(200, {}, b"{}")) == JobSeen("batches/a", "running")
    assert isinstance(CODEC.cancelled("batches/a", Received(200, {}, b"<html>")), Fault)


def test_a_page_leads_on_by_its_token_and_no_jobs_at_all_are_an_empty_object() -> None:
    body = {"operations": [operation(), ended(answer())], "nextPageToken": "t"}
    got = listed(Received(200, {}, msgspec.json.encode(body)))
    assert not isinstance(got, Fault)
    assert ([job.state for job in got.jobs], got.after) == (["running", "ended"], "t")
    assert listed(Received(200, {}, b"{}")) == ([], "")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b'{"operations": 7}',
        b'{"operations": [7]}',
        b'{"operations": [{"done": true}]}',
        b'{"operations": [], "unreachable": ["eu"]}',
        b'{"message": "log in first"}',
        b'{"error": {"code": 500}}',
    ],
)
def test_a_listing_that_cannot_be_read_whole_is_a_fault_and_never_an_empty_list(body: bytes) -> None:
    assert isinstance(listed(Received(200, {}, body)), Fault)


def test_rows_are_matched_by_their_keys_in_whatever_order(tmp_path: Path) -> None:
    body = ended(answer("two", f"{MARKER}-1"), answer("one", f"{MARKER}-0"))
    assert texts(rows(tmp_path, body)) == {f"{MARKER}-1": "two", f"{MARKER}-0": "one"}


def test_rows_without_keys_are_matched_by_order_when_there_are_as_many_as_requests(tmp_path: Path) -> None:
    assert texts(rows(tmp_path, ended(answer("one"), answer("two")))) == {f"{MARKER}-0": "one", f"{MARKER}-1": "two"}
    some = ended(answer("one"), answer("two", f"{MARKER}-1"))
    assert texts(rows(tmp_path, some)) == {f"{MARKER}-0": "one", f"{MARKER}-1": "two"}


@pytest.mark.parametrize("requests", ["3", "1", "", 7, None])
def test_rows_without_keys_stay_unknown_when_the_count_is_another(tmp_path: Path, requests: Any) -> None:
    body = ended(answer("one"), answer("two"), requests="2")
    body["metadata"]["batchStats"]["requestCount"] = requests
    assert rows(tmp_path, body) == []


def test_rows_without_keys_stay_unknown_when_the_keys_of_others_contradict_the_order(tmp_path: Path) -> None:
    body = ended(answer("?"), answer("one", f"{MARKER}-0"))
    assert texts(rows(tmp_path, body)) == {f"{MARKER}-0": "one"}


def test_rows_without_keys_stay_unknown_in_a_job_without_our_marker(tmp_path: Path) -> None:
    body = ended(answer("one"))
    del body["metadata"]["displayName"]
    assert rows(tmp_path, body) == []


@pytest.mark.parametrize(
    ("code", "kind", "outcome"),
    [
        (3, "invalid_request", "rejected"),
        (8, "rate_limit", "rejected"),
        (14, "overloaded", "rejected"),
        (13, "server_error", "unknown"),
        (4, "server_error", "unknown"),
        (400, "invalid_request", "rejected"),
        (503, "overloaded", "rejected"),
        (77, "server_error", "unknown"),
        ("x", "server_error", "unknown"),
    ],
)
def test_a_refused_row_is_the_fault_of_its_code(tmp_path: Path, code: Any, kind: str, outcome: str) -> None:
    error = {"code": code, "message": "Said so."}
    (row,) = rows(tmp_path, ended({"error": error, "metadata": {"key": "a-0"}}))
    assert row.received is not None
    fault = gemini.decode(row.received)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == (kind, outcome)
    assert "Said so." in fault.message


def test_a_row_that_was_cancelled_costs_nothing_and_says_why(tmp_path: Path) -> None:
    body = ended({"error": {"code": 1, "message": "cancelled"}, "metadata": {"key": "a-0"}})
    assert rows(tmp_path, body) == [JobRow("a-0", None, CANCELLED)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        msgspec.json.encode(ended(answer()))[:-30],
        msgspec.json.encode(ended(7, "x", None, {}, {"response": None}, {"error": "no", "metadata": {"key": "a-0"}})),
        msgspec.json.encode({"response": {"inlinedResponses": {"inlinedResponses": {"a": 1}}}}),
    ],
)
def test_what_is_no_result_gives_no_row(tmp_path: Path, body: bytes) -> None:
    assert rows(tmp_path, body) == []


def test_half_a_surrogate_pair_in_a_paid_answer_loses_nothing(tmp_path: Path) -> None:
    data = msgspec.json.encode(ended(answer("Hi!", "a-0"))).replace(b"Hi!", rb"Hi\ud83d")
    assert texts(rows(tmp_path, data)) == {"a-0": "Hi\ufffd"}


def test_the_limits_are_the_documents() -> None:
    limits = CODEC.limits
    assert (limits.bytes, limits.discount, limits.uploads, limits.marked) == (20_000_000, (1, 2), False, True)

"""Anthropic's Message Batches: requests that the SDK knows, batches and rows as its documents show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, Received, WireRequest
from packmule.core.jobs import JobRow, JobSeen, custom_id
from packmule.providers import anthropic
from packmule.providers.anthropic_jobs import CODEC, create, fetch, listed, page, seen
from packmule.providers.jobs_codec import CANCELLED, EXPIRED
from tests.providers.judges import anthropic_accepts, anthropic_accepts_batch, anthropic_batch, anthropic_row
from tests.providers.orders import CASES, no_blobs

BASE = "https://api.anthropic.com"
MARKER = "pm3k9x2m4q7z"
RESULTS = f"{BASE}/v1/messages/batches/msgbatch_01/results"
WAITING = {"processing": 100, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
COUNTED = {"processing": 0, "succeeded": 90, "errored": 4, "canceled": 3, "expired": 3}


def batch(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "msgbatch_01",
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": WAITING,
        "ended_at": None,
        "created_at": "2026-11-22T18:37:24.100435Z",
        "expires_at": "2026-11-23T18:37:24.100435Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
    return {**body, **changes}


def looked(official: bool = True, **changes: Any) -> JobSeen:
    data = msgspec.json.encode(batch(**changes))
    got = seen(Received(200, {}, anthropic_batch(data) if official else data))
    assert isinstance(got, JobSeen), got
    return got


def message() -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hi!"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 5},
    }


def row_of(tmp_path: Path, result: Any, *, official: bool = True) -> JobRow:
    data = msgspec.json.encode({"custom_id": "a-0", "result": result})
    (row,) = rows(tmp_path, anthropic_row(data) if official else data)
    return row


def rows(tmp_path: Path, *lines: bytes) -> list[JobRow]:
    path = tmp_path / "results"
    path.write_bytes(b"\n".join(lines))
    return list(CODEC.rows(path))


def test_the_body_holds_the_realtime_bodies_under_their_custom_ids() -> None:
    bodies = [anthropic.encode("claude-sonnet-4-5", CASES[case], no_blobs) for case in CASES]
    lines = [CODEC.line(custom_id(MARKER, place), body) for place, body in enumerate(bodies)]
    data = CODEC.body(MARKER, lines)
    request = create(BASE, "claude-sonnet-4-5", MARKER, data, None)
    assert (request.method, request.url, request.body) == ("POST", f"{BASE}/v1/messages/batches", data)
    sent = msgspec.json.decode(data)
    assert [entry["custom_id"] for entry in sent["requests"]] == [f"{MARKER}-{n}" for n in range(len(bodies))]
    assert [entry["params"] for entry in sent["requests"]] == [msgspec.json.decode(body) for body in bodies]
    for entry in sent["requests"]:
        anthropic_accepts(msgspec.json.encode(entry["params"]))
        entry["params"].pop("temperature", None)
    anthropic_accepts_batch(msgspec.json.encode(sent))


@pytest.mark.parametrize("base", [BASE, f"{BASE}/v1"])
def test_what_is_asked_of_a_batch_goes_to_its_address(base: str) -> None:
    root = f"{BASE}/v1/messages/batches"
    assert (CODEC.poll(base, "msgbatch_1").method, CODEC.poll(base, "msgbatch_1").url) == ("GET", f"{root}/msgbatch_1")
    request = CODEC.cancel(base, "msgbatch_1")
    assert (request.method, request.url) == ("POST", f"{root}/msgbatch_1/cancel")
    assert page(base, "").url == f"{root}?limit=100"
    assert page(base, "msgbatch_1").url == f"{root}?limit=100&after_id=msgbatch_1"


def test_a_running_batch_knows_how_many_it_has_and_not_how_many_are_done() -> None:
    got = looked()
    assert (got.state, got.requests, got.done, got.wrong, got.marker) == ("running", 100, None, None, "")
    assert got.created_s == pytest.approx(1_795_372_644.100435)
    assert looked(processing_status="canceling", cancel_initiated_at="2026-11-22T19:00:00Z").state == "running"


def test_an_ended_batch_has_counts_and_the_address_of_its_results() -> None:
    got = looked(processing_status="ended", request_counts=COUNTED, results_url=RESULTS)
    assert (got.state, got.requests, got.done, got.wrong) == ("ended", 100, 90, 10)
    assert got.results == (RESULTS,)


def test_a_batch_that_was_cancelled_says_so_and_keeps_its_results() -> None:
    cancelled = {"cancel_initiated_at": "2026-11-22T19:00:00Z", "results_url": RESULTS}
    got = looked(processing_status="ended", request_counts=COUNTED, **cancelled)
    assert (got.state, got.results) == ("cancelled", (RESULTS,))


def test_a_batch_whose_results_are_gone_says_so() -> None:
    got = looked(processing_status="ended", request_counts=COUNTED, archived_at="2026-12-22T00:00:00Z")
    assert (got.state, got.results) == ("ended", ())
    assert "no results" in got.message


def test_a_status_that_nobody_knows_counts_as_running_and_is_named() -> None:
    got = looked(official=False, processing_status="pondering")
    assert (got.state, got.message) == ("running", "the provider calls its state 'pondering'")


@pytest.mark.parametrize(
    ("base", "address", "url"),
    [
        (BASE, RESULTS, RESULTS),
        (f"{BASE}/v1", RESULTS, RESULTS),
        (BASE, f"https://API.anthropic.com:443/r?x=1#{'f'}", f"{BASE}/r?x=1"),
        ("http://sim.invalid/v1", "http://sim.invalid/v1/r", "http://sim.invalid/v1/r"),
    ],
)
def test_results_are_fetched_from_our_own_origin(base: str, address: str, url: str) -> None:
    request = fetch(base, address)
    assert isinstance(request, WireRequest)
    assert (request.method, request.url) == ("GET", url)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/v1/messages/batches/x/results",
        "http://api.anthropic.com/x",
        "https://api.anthropic.com:444/x",
        "https://api.anthropic.com.evil.example/x",
        "https://api.anthropic.com@evil.example/x",
        "https://user@api.anthropic.com/x",
        "https://evil.example\\@api.anthropic.com/x",
        "//evil.example/x",
        "/v1/messages/batches/x/results",
        "results",
        "",
        "https://[broken/x",
        "https://api.anthropic.com:99999999/x",
        "file:///etc/passwd",
    ],
)
def test_an_address_of_results_elsewhere_is_a_fault(address: str) -> None:
    got = fetch(BASE, address)
    assert isinstance(got, Fault)
    assert "never sent there" in got.message


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"data": [7]}', b'{"data": [], "has_more": true}', b'{"data"'])
def test_a_listing_that_cannot_be_read_whole_is_a_fault_and_never_an_empty_list(body: bytes) -> None:
    assert isinstance(listed(Received(200, {}, body)), Fault)


def test_a_page_leads_on_by_its_last_id_until_there_is_no_more() -> None:
    body = {"data": [batch(id="b2"), batch(id="b1")], "has_more": True, "first_id": "b2", "last_id": "b1"}
    got = listed(Received(200, {}, msgspec.json.encode(body)))
    assert not isinstance(got, Fault)
    assert ([job.id for job in got.jobs], got.after) == (["b2", "b1"], "b1")


def test_a_good_row_is_an_answer_as_if_it_had_come_alone(tmp_path: Path) -> None:
    row = row_of(tmp_path, {"type": "succeeded", "message": message()})
    assert row.received is not None
    answer = anthropic.decode(row.received)
    assert isinstance(answer, Answer)
    assert (answer.text, answer.usage and answer.usage.tokens_in) == ("Hi!", 20)


@pytest.mark.parametrize(
    ("sort", "kind", "outcome"),
    [
        ("invalid_request_error", "invalid_request", "rejected"),
        ("authentication_error", "auth", "rejected"),
        ("billing_error", "quota", "rejected"),
        ("permission_error", "auth", "rejected"),
        ("not_found_error", "invalid_request", "rejected"),
        ("rate_limit_error", "rate_limit", "rejected"),
        ("overloaded_error", "overloaded", "rejected"),
        ("timeout_error", "server_error", "unknown"),
        ("api_error", "server_error", "unknown"),
    ],
)
def test_a_refused_row_is_the_fault_of_its_type(tmp_path: Path, sort: str, kind: str, outcome: str) -> None:
    error = {"type": "error", "error": {"type": sort, "message": "Said so."}, "request_id": None}
    row = row_of(tmp_path, {"type": "errored", "error": error})
    assert row.received is not None
    fault = anthropic.decode(row.received)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == (kind, outcome)
    assert "Said so." in fault.message


def test_an_error_without_its_envelope_is_read_as_well(tmp_path: Path) -> None:
    error = {"type": "invalid_request_error", "message": "Said so."}
    row = row_of(tmp_path, {"type": "errored", "error": error}, official=False)
    assert row.received is not None
    assert row.received.status == 400


@pytest.mark.parametrize(("sort", "why"), [("expired", EXPIRED), ("canceled", CANCELLED)])
def test_rows_of_what_was_not_done_cost_nothing_and_say_why(tmp_path: Path, sort: str, why: str) -> None:
    assert row_of(tmp_path, {"type": sort}) == JobRow("a-0", None, why)


def test_lines_that_are_no_rows_are_left_out_and_the_others_are_kept(tmp_path: Path) -> None:
    good = msgspec.json.encode({"custom_id": "a-9", "result": {"type": "succeeded", "message": message()}})
    odd = [
        b"<html>",
        b"[]",
        b'{"custom_id": "a-1"}',
        b'{"custom_id": "a-1", "result": []}',
        b'{"custom_id": "a-1", "result": {"type": "pondered"}}',
        b'{"custom_id": "a-1", "result": {"type": "succeeded"}}',
        b'{"custom_id": null, "result": {"type": "expired"}}',
        good[:-20],
    ]
    assert [row.custom_id for row in rows(tmp_path, *odd, good)] == ["a-9"]
    assert [row.custom_id for row in rows(tmp_path, good, *odd)] == ["a-9"]


def test_the_limits_are_the_documents() -> None:
    limits = CODEC.limits
    assert (limits.requests, limits.bytes, limits.discount) == (100_000, 256_000_000, (1, 2))
    assert not limits.marked
    assert not limits.uploads

"""Gemini's batch: requests inline in one body; the operation that stands for the job holds their results at its end.

A row should carry the key that its request had, and documents promise the order of the requests. Some answers were
seen without keys: those are named by their place, but only where the number of rows is exactly that of the requests
and every key that is there stands in its place. Otherwise they stay nameless, which makes them unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.jobs import JobRow, JobSeen, custom_id
from packmule.providers import reading
from packmule.providers.faults import malformed, sentence
from packmule.providers.jobs_codec import (
    CANCELLED,
    LIMITS,
    JobsCodec,
    Page,
    count,
    get,
    job,
    objects,
    post,
    segment,
    utc_s,
)
from packmule.providers.reading import Object, as_object, as_text

KEY = "key"
# Small, because no document says that a listing leaves out the results of the jobs that it names.
PAGE = 10
# The names of the SDK's JOB_STATE_… and of the wire's BATCH_STATE_….
STATES = {
    "QUEUED": "running",
    "PENDING": "running",
    "RUNNING": "running",
    "PAUSED": "running",
    "UPDATING": "running",
    "CANCELLING": "running",
    "SUCCEEDED": "ended",
    "PARTIALLY_SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
# google.rpc.Code and the HTTP status that each stands for. 1, cancelled, is no answer at all.
GRPC_CANCELLED = 1
STATUSES = {
    2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503,
    15: 500, 16: 401,
}  # fmt: skip
STATUS_UNKNOWN = 500
_PAGE_FIELDS = {"operations", "nextPageToken", "unreachable"}


def line(name: str, body: bytes) -> bytes:
    """One inline request."""
    return msgspec.json.encode({"request": msgspec.Raw(body), "metadata": {KEY: name}})


def body(marker: str, lines: list[bytes]) -> bytes:
    """All requests, under the marker as the job's name."""
    head = b'{"batch":{"displayName":%b,"inputConfig":{"requests":{"requests":[' % msgspec.json.encode(marker)
    return b"".join((head, b",".join(lines), b"]}}}}"))


def _root(base: str) -> str:
    return f"{base.removesuffix('/v1beta').removesuffix('/v1')}/v1beta"


def create(base: str, model: str, marker: str, content: bytes, file: str | None) -> WireRequest:
    """A job; the marker stands in its body."""
    del marker, file
    return post(f"{_root(base)}/models/{quote(model, safe='-._~')}:batchGenerateContent", content)


def poll(base: str, remote: str) -> WireRequest:
    """What it is now, with its results once it has ended."""
    return get(f"{_root(base)}/batches/{segment(remote.removeprefix('batches/'))}")


def cancel(base: str, remote: str) -> WireRequest:
    """Ask for its end."""
    return post(f"{_root(base)}/batches/{segment(remote.removeprefix('batches/'))}:cancel")


def page(base: str, after: str) -> WireRequest:
    """A page of all jobs, in no promised order."""
    return get(f"{_root(base)}/batches?pageSize={PAGE}" + (f"&pageToken={segment(after)}" if after else ""))


def seen(received: Received) -> JobSeen | Fault:
    """A job."""
    return job(received, _seen)


def cancelled(remote: str, received: Received) -> JobSeen | Fault:
    """The answer to a cancel is empty: it was heard, and the job goes on until a poll says otherwise."""
    value = reading.parsed(received)
    return value if isinstance(value, Fault) else JobSeen(remote, "running")


def listed(received: Received) -> Page | Fault:
    """A page of jobs. No jobs at all is an empty object here, so whatever else an object holds is no page."""
    value = reading.parsed(received)
    if isinstance(value, Fault):
        return value
    operations = value.get("operations", [])
    jobs = [found for entry in objects(operations) if (found := _seen(entry)) is not None]
    whole = isinstance(operations, list) and len(jobs) == len(operations) and not value.get("unreachable")
    if not whole or value.keys() - _PAGE_FIELDS:
        return malformed(received, "its list of jobs cannot be read whole")
    return Page(jobs, as_text(value.get("nextPageToken")))


def _seen(operation: Object) -> JobSeen | None:
    name, told = as_text(operation.get("name")), as_object(operation.get("metadata"))
    if not name:
        return None
    error = as_object(operation.get("error"))
    word = as_text(told.get("state")).removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
    state = STATES.get(word)
    message = as_text(error.get("message")) if state == "failed" else ""
    if state is None and operation.get("done") is True:
        state, message = ("failed", as_text(error.get("message"))) if error else ("ended", "")
    elif state is None:
        state, message = "running", f"the provider calls its state {word or 'nothing'!r}"
    stats = as_object(told.get("batchStats"))
    requests = count(stats, "requestCount") or None
    return JobSeen(
        name,
        state,  # type: ignore[arg-type] # the values of STATES
        marker=as_text(told.get("displayName")),
        created_s=utc_s(told.get("createTime")),
        requests=requests,
        # Zeros are left out on this wire.
        done=count(stats, "successfulRequestCount") or 0 if requests else None,
        wrong=count(stats, "failedRequestCount") or 0 if requests else None,
        results=(name,) if state not in {"running", "failed"} and _answers(operation) is not None else (),
        message=sentence(message or "no reason given") if message or state == "failed" else "",
    )


def _answers(operation: Object) -> list[Object] | None:
    """The inlined responses, where the wire's document or the SDK looks for them; None where there are none."""
    for output in (as_object(operation.get("response")), as_object(as_object(operation.get("metadata")).get("output"))):
        inlined = output.get("inlinedResponses")
        inlined = inlined.get("inlinedResponses") if isinstance(inlined, dict) else inlined
        if isinstance(inlined, list):
            return objects(inlined)
    return None


def rows(path: Path) -> Iterator[JobRow]:
    """The rows of a job that has ended."""
    try:
        operation = as_object(reading.parse(path.read_bytes()))
    except (ValueError, RecursionError):
        return
    told = as_object(operation.get("metadata"))
    marker, answers = as_text(told.get("displayName")), _answers(operation) or []
    keys = [as_text(as_object(answer.get("metadata")).get(KEY)) for answer in answers]
    places = [custom_id(marker, place) for place in range(len(answers))]
    exact = count(as_object(told.get("batchStats")), "requestCount") == len(answers) and bool(marker)
    ordered = exact and all(key in {"", place} for key, place in zip(keys, places, strict=True))
    for key, place, answer in zip(keys, places, answers, strict=True):
        row = _row(key or (place if ordered else ""), answer)
        if row is not None:
            yield row


def _row(name: str, answer: Object) -> JobRow | None:
    if not name:
        return None
    if answer.get("response") is not None:
        return JobRow(name, Received(200, {}, reading.unparse(answer["response"])))
    error = answer.get("error")
    if not isinstance(error, dict):
        return None
    code = count(error, "code") or 0
    if code == GRPC_CANCELLED:
        return JobRow(name, None, CANCELLED)
    status = STATUSES.get(code, code if code // 100 in {4, 5} else STATUS_UNKNOWN)
    return JobRow(name, Received(status, {}, reading.unparse({"error": error})))


CODEC = JobsCodec(
    LIMITS["gemini"], line, body, create, poll, cancel, page, poll, seen, cancelled, listed, rows,
    newest_first=False,
    inlined=True,
)  # fmt: skip

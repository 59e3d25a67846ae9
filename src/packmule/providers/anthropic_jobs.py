"""Anthropic's Message Batches: all requests in one body, all results behind one address, which is given at the end.

A batch carries no word of ours: the custom ids of its lines are its only mark. Its counts are zero until it has ended,
so before that they are unknown. A results address is followed only to the origin that we asked, because the key goes
with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.jobs import JobRow, JobSeen
from packmule.providers import reading
from packmule.providers.faults import sentence
from packmule.providers.jobs_codec import (
    CANCELLED,
    EXPIRED,
    LIMITS,
    PAGE,
    JobsCodec,
    Page,
    count,
    get,
    job,
    pages_by_id,
    post,
    results_of,
    segment,
    utc_s,
)
from packmule.providers.keys import origin
from packmule.providers.reading import Object, as_object, as_text

RUNNING = ("in_progress", "canceling")
COUNTS = ("succeeded", "errored", "canceled", "expired", "processing")
UNBILLED = {"expired": EXPIRED, "canceled": CANCELLED}
# The status that each type of error has when a request is sent alone.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
STATUS_UNKNOWN = 500
_ELSEWHERE = "the provider names an address of another server for the results, and the key is never sent there"


def line(name: str, body: bytes) -> bytes:
    """One request of the body."""
    return msgspec.json.encode({"custom_id": name, "params": msgspec.Raw(body)})


def body(marker: str, lines: list[bytes]) -> bytes:
    """All requests."""
    del marker
    return b"".join((b'{"requests":[', b",".join(lines), b"]}"))


def _root(base: str) -> str:
    return f"{base.removesuffix('/v1')}/v1/messages/batches"


def create(base: str, model: str, marker: str, content: bytes, file: str | None) -> WireRequest:
    """A batch; the model stands in its requests."""
    del model, marker, file
    return post(_root(base), content)


def poll(base: str, remote: str) -> WireRequest:
    """What it is now."""
    return get(f"{_root(base)}/{segment(remote)}")


def cancel(base: str, remote: str) -> WireRequest:
    """Ask for its end."""
    return post(f"{_root(base)}/{segment(remote)}/cancel")


def page(base: str, after: str) -> WireRequest:
    """A page of all batches of the workspace, the newest first."""
    return get(f"{_root(base)}?limit={PAGE}" + (f"&after_id={segment(after)}" if after else ""))


def fetch(base: str, address: str) -> WireRequest | Fault:
    """The results. The address is put together anew on our own origin: no two readers may find two hosts in it."""
    own = urlsplit(base)
    try:
        named, same = urlsplit(address), origin(address) == origin(base)
    except ValueError:
        return Fault("redirect", "rejected", _ELSEWHERE)
    if not same or named.username is not None or named.password is not None:
        return Fault("redirect", "rejected", _ELSEWHERE)
    return get(urlunsplit((own.scheme, own.netloc, named.path, named.query, "")))


def seen(received: Received) -> JobSeen | Fault:
    """A batch."""
    return job(received, _seen)


def cancelled(remote: str, received: Received) -> JobSeen | Fault:
    """The batch that is about to end."""
    del remote
    return seen(received)


def listed(received: Received) -> Page | Fault:
    """A page of batches."""
    return pages_by_id(received, _seen)


def _seen(batch: Object) -> JobSeen | None:
    name, status = as_text(batch.get("id")), as_text(batch.get("processing_status"))
    if not name:
        return None
    tallies = as_object(batch.get("request_counts"))
    counts = {word: count(tallies, word) or 0 for word in COUNTS}
    requests = sum(counts.values()) or None
    ended = status == "ended"
    results = as_text(batch.get("results_url"))
    message = ""
    if status not in (*RUNNING, "ended"):
        message = sentence(f"the provider calls its state {status or 'nothing'!r}")
    elif ended and not results:
        message = "the provider keeps no results of it any more"
    known = ended and requests is not None
    return JobSeen(
        name,
        "running" if not ended else "cancelled" if batch.get("cancel_initiated_at") else "ended",
        created_s=utc_s(batch.get("created_at")),
        requests=requests,
        done=counts["succeeded"] if known else None,
        wrong=counts["errored"] + counts["canceled"] + counts["expired"] if known else None,
        results=(results,) if ended and results else (),
        message=message,
    )


def rows(path: Path) -> Iterator[JobRow]:
    """The rows of the results."""
    return results_of(path, _row)


def _row(line: Object) -> JobRow | None:
    name, result = as_text(line.get("custom_id")), as_object(line.get("result"))
    kind = as_text(result.get("type"))
    if not name:
        return None
    if kind in UNBILLED:
        return JobRow(name, None, UNBILLED[kind])
    if kind == "succeeded" and result.get("message") is not None:
        return JobRow(name, Received(200, {}, reading.unparse(result["message"])))
    if kind != "errored":
        return None
    outer = as_object(result.get("error"))
    error = as_object(outer.get("error")) or outer
    status = STATUSES.get(as_text(error.get("type")), STATUS_UNKNOWN)
    return JobRow(name, Received(status, {}, reading.unparse({"type": "error", "error": error})))


CODEC = JobsCodec(LIMITS["anthropic"], line, body, create, poll, cancel, page, fetch, seen, cancelled, listed, rows)

"""Anthropic's Message Batches: requests go in with the creation, one file of results comes out when all has ended.

Names of requests are looked at when the job is made, what they ask only while it is worked on: a wrong parameter is
the end of one line. There is no mark of one's own, and no state for a job that failed as a whole: it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from packmule.sim.asked import Refused
from packmule.sim.jobs import (
    Draft,
    File,
    Job,
    JobRefused,
    JobRequest,
    JobStore,
    Line,
    Problem,
    Results,
    Routes,
    Row,
    Told,
)
from packmule.sim.wire import Wire, encoded, read_object

_LINES_MAX = 100_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FATES = ("succeeded", "errored", "canceled", "expired")


class AnthropicJobs:
    """`/v1/messages/batches`."""

    prefix = "msgbatch_"
    partial = True
    in_order = False
    routes: Routes = (
        ("POST", re.compile(r"/messages/batches$"), "create"),
        ("GET", re.compile(r"/messages/batches$"), "list"),
        ("GET", re.compile(r"/messages/batches/([^/]+)$"), "poll"),
        ("POST", re.compile(r"/messages/batches/([^/]+)/cancel$"), "cancel"),
        ("GET", re.compile(r"/messages/batches/([^/]+)/results$"), "download"),
    )

    def __init__(self, wire: Wire, store: JobStore) -> None:
        self.wire = wire
        self._store = store

    def draft(self, request: JobRequest) -> Draft:
        """Read a creation."""
        _versioned(request)
        data = read_object(request.body)
        if isinstance(data, Refused):
            raise JobRefused(data.status, data.message)
        requests = data.get("requests")
        if not isinstance(requests, list) or not requests:
            message = "requests: List should have at least 1 item after validation, not 0"
            raise JobRefused(400, message, "requests")
        if len(requests) > _LINES_MAX:
            message = f"requests: List should have at most {_LINES_MAX} items after validation, not {len(requests)}"
            raise JobRefused(400, message, "requests")
        seen: set[str] = set()
        return Draft([_line(entry, number, seen) for number, entry in enumerate(requests)], {})

    def refuse(self, problems: list[Problem]) -> list[Problem]:
        """A job with problems is not made."""
        first = problems[0]
        place = "requests" if first.line is None else f"requests.{first.line}.params"
        message = f"{place}: {first.message}"
        raise JobRefused(400, message, "requests")

    async def answer(self, verb: str, request: JobRequest, now_us: int) -> Told:
        """Everything but a creation."""
        _versioned(request)
        if verb == "list":
            return self._list(request, now_us)
        job = self._store.job("anthropic", request.name, now_us)
        if job is None:
            message = f"Message batch {request.name} was not found."
            raise JobRefused(404, message)
        if verb == "download":
            return self._results(job)
        if verb == "cancel":
            await self._cancel(job, now_us)
        return self.show(job, request, now_us)

    def show(self, job: Job, request: JobRequest, now_us: int) -> Told:
        """A message batch object."""
        return Told(encoded(self._shown(job, request, now_us)))

    def files(self, job: Job, results: Results) -> Iterator[File]:
        """There are none."""
        del job, results
        yield from ()

    def decoy(self, number: int, size: int) -> Draft:
        """Somebody else's job."""
        del number
        body = {"model": "small", "max_tokens": 5, "messages": [{"role": "user", "content": "Say a word."}]}
        return Draft([Line(f"row-{place}", body) for place in range(size)], {})

    async def _cancel(self, job: Job, now_us: int) -> None:
        if self._store.running(job, now_us):
            await self._store.cancel(job, now_us)
        elif self._store.phase(job, now_us) != "cancelling":
            message = f"Message batch {job.id} has ended and cannot be canceled."
            raise JobRefused(400, message)

    def _results(self, job: Job) -> Told:
        results = self._store.results.get(job.id)
        if results is None:
            message = f"Message batch {job.id} has no available results: its processing has not ended."
            raise JobRefused(404, message)
        body = b"".join(
            encoded({"custom_id": row.line.custom_id, "result": _result(row)}) + b"\n" for row in results.told
        )
        return Told(body, "application/x-jsonl", results=True)

    def _list(self, request: JobRequest, now_us: int) -> Told:
        limit = request.limit("limit", 20, 1000)
        jobs = self._store.jobs("anthropic", now_us)
        names = [job.id for job in jobs]
        after, before = request.query.get("after_id"), request.query.get("before_id")
        for cursor in (after, before):
            if cursor is not None and cursor not in names:
                message = f"{cursor} is no message batch"
                raise JobRefused(400, message)
        start, end = names.index(after) + 1 if after else 0, names.index(before) if before else len(jobs)
        page = jobs[max(start, end - limit) : end] if before else jobs[start : start + limit]
        more = end - limit > start if before else start + limit < end
        data = [self._shown(job, request, now_us) for job in page]
        ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
        return Told(encoded({"data": data, "has_more": more, **ends}))

    def _shown(self, job: Job, request: JobRequest, now_us: int) -> dict[str, Any]:
        phase, results = self._store.phase(job, now_us), self._store.results.get(job.id)
        running = {"processing": len(job.lines)} | dict.fromkeys(_FATES, 0)
        counts = running if results is None else {"processing": 0} | {fate: _count(results, fate) for fate in _FATES}
        ended = results is not None
        host = request.headers.get("host", "sim.invalid")
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if phase == "cancelling" else "in_progress",
            "request_counts": counts,
            "created_at": _moment(job.created_us),
            "expires_at": _moment(self._store.expires_us(job)),
            "ended_at": _moment(self._store.over_us(job)) if ended else None,
            "cancel_initiated_at": _moment(job.cancelled_us) if job.cancelled_us is not None else None,
            "archived_at": None,
            "results_url": f"http://{host}/v1/messages/batches/{job.id}/results" if ended else None,
        }


def _versioned(request: JobRequest) -> None:
    if "anthropic-version" not in request.headers:
        message = "anthropic-version: header is required"
        raise JobRefused(400, message)


def _line(entry: Any, number: int, seen: set[str]) -> Line:  # noqa: ANN401 - any JSON
    name = entry.get("custom_id") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"requests.{number}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
        raise JobRefused(400, message, "requests")
    if name in seen:
        message = f"requests.{number}.custom_id: '{name}' is not unique within the batch"
        raise JobRefused(400, message, "requests")
    if not isinstance(entry.get("params"), dict):
        message = f"requests.{number}.params: Field required"
        raise JobRefused(400, message, "requests")
    seen.add(name)
    return Line(name, entry["params"])


def _result(row: Row) -> dict[str, Any]:
    match row.fate:
        case "succeeded":
            usage = {"usage": row.body["usage"] | {"service_tier": "batch"}} if "usage" in row.body else {}
            return {"type": "succeeded", "message": row.body | usage}
        case "errored":
            return {"type": "errored", "error": row.body}
        case _:
            return {"type": row.fate}


def _count(results: Results, fate: Any) -> int:  # noqa: ANN401 - one of _FATES
    return results.count(fate)


def _moment(utc_us: int) -> str:
    return datetime.fromtimestamp(utc_us / 1e6, UTC).isoformat().replace("+00:00", "Z")

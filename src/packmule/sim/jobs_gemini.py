"""Gemini's batches: requests go in with the creation, and come back in their order inside the operation itself.

A line whose JSON has unknown names makes the whole creation invalid, for it is read as one message; what else is
wrong with a line is its own error. A job that expires has no results at all. Files as input are not in the box.
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
from packmule.sim.wire_gemini import camel

_BYTES_MAX = 20 * 2**20
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main."
_STATES = {
    "validating": "PENDING", "working": "RUNNING", "finalizing": "RUNNING", "cancelling": "RUNNING",
    "failed": "FAILED", "ended": "SUCCEEDED", "cancelled": "CANCELLED", "expired": "EXPIRED",
}  # fmt: skip
_CANCELLED, _INVALID, _LATE, _INTERNAL = 1, 3, 4, 13
_CODES = {400: _INVALID, 401: 16, 403: 7, 404: 5, 429: 8, 503: 14, 504: _LATE}
_INLINE_ONLY = "This provider in a box keeps no files for Gemini; put the requests into the batch itself."
_EARLY = {
    "canceled": (_CANCELLED, "The operation was cancelled."),
    "expired": (_LATE, "The deadline expired before the operation could complete."),
}


class GeminiJobs:
    """`:batchGenerateContent` and `/v1beta/batches`."""

    prefix = "batches/"
    partial = False
    in_order = True
    routes: Routes = (
        ("POST", re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):batchGenerateContent$"), "create"),
        ("GET", re.compile(r"^/v1(?:beta|alpha)?/batches$"), "list"),
        ("GET", re.compile(r"^/v1(?:beta|alpha)?/batches/([^/:]+)$"), "poll"),
        ("POST", re.compile(r"^/v1(?:beta|alpha)?/batches/([^/:]+):cancel$"), "cancel"),
        ("POST", re.compile(r"^/upload/v1(?:beta|alpha)?/files$"), "upload"),
    )

    def __init__(self, wire: Wire, store: JobStore) -> None:
        self.wire = wire
        self._store = store

    def draft(self, request: JobRequest) -> Draft:
        """Read a creation; the name in its path is the model."""
        data = read_object(request.body)
        if isinstance(data, Refused):
            raise JobRefused(data.status, data.message)
        if len(request.body) > _BYTES_MAX:
            message = f"Request payload size exceeds the limit: {_BYTES_MAX} bytes."
            raise JobRefused(400, message)
        batch = _child(data, "batch")
        name = batch.get("displayName")
        if not isinstance(name, str) or not name:
            message = "* BatchGenerateContentRequest.batch.display_name: display_name is required"
            raise JobRefused(400, message)
        source = _child(batch, "inputConfig")
        if "fileName" in source:
            raise JobRefused(400, _INLINE_ONLY)
        entries = _child(source, "requests").get("requests")
        if not isinstance(entries, list) or not entries:
            message = "* BatchGenerateContentRequest.batch.input_config.requests: requests is not specified"
            raise JobRefused(400, message)
        lines = [self._line(entry, number, request.name) for number, entry in enumerate(entries)]
        return Draft(lines, {"display_name": name}, request.name)

    def refuse(self, problems: list[Problem]) -> list[Problem]:
        """A job with problems is made, and fails."""
        return problems

    async def answer(self, verb: str, request: JobRequest, now_us: int) -> Told:
        """Everything but a creation."""
        if verb == "upload":
            raise JobRefused(400, _INLINE_ONLY)
        if verb == "list":
            return self._list(request, now_us)
        job = self._store.job("gemini", f"{self.prefix}{request.name}", now_us)
        if job is None:
            message = f"Batch {request.name} is not found."
            raise JobRefused(404, message)
        if verb == "poll":
            return self.show(job, request, now_us)
        if self._store.running(job, now_us):
            await self._store.cancel(job, now_us)
        return Told(encoded({}))

    def show(self, job: Job, request: JobRequest, now_us: int) -> Told:
        """An operation, with the results when there are some."""
        del request
        results = self._store.results.get(job.id)
        shown = self._shown(job, now_us)
        # Of a job that failed there are no rows, and one that expired as a whole hands nothing out.
        if results is None or results.count("expired") == len(results.rows):
            return Told(encoded(shown))
        output = {"inlinedResponses": {"inlinedResponses": [_response(row) for row in results.told]}}
        shown["metadata"]["output"] = output
        if "error" not in shown:
            shown["response"] = {"@type": f"{_TYPE}GenerateContentBatchOutput", **output}
        return Told(encoded(shown), results=True)

    def files(self, job: Job, results: Results) -> Iterator[File]:
        """There are none."""
        del job, results
        yield from ()

    def decoy(self, number: int, size: int) -> Draft:
        """Somebody else's job."""
        body = {"contents": [{"role": "user", "parts": [{"text": "Say a word."}]}]}
        lines = [Line(f"row-{place}", body, {"key": f"row-{place}"}) for place in range(size)]
        return Draft(lines, {"display_name": f"somebody-else-{number}"}, "small")

    def _line(self, entry: Any, number: int, model: str) -> Line:  # noqa: ANN401 - any JSON
        place = f"batch.input_config.requests.requests[{number}]"
        body, echo = (entry.get("request"), entry.get("metadata")) if isinstance(entry, dict) else (None, None)
        if not isinstance(body, dict) or not isinstance(echo, dict | None):
            message = f"Invalid JSON payload received. Invalid value at '{place}': it needs a request."
            raise JobRefused(400, message)
        asked = self.wire.parse(model, {}, body)
        if isinstance(asked, Refused) and asked.message.startswith("Invalid JSON payload"):
            message = f"{asked.message} ({place}.request)"
            raise JobRefused(400, message)
        return Line(str((echo or {}).get("key", number)), body, echo)

    def _list(self, request: JobRequest, now_us: int) -> Told:
        limit, token = request.limit("pageSize", 50, 1000), request.query.get("pageToken", "0")
        jobs = self._store.jobs("gemini", now_us)
        start = [0, *(number + 1 for number, job in enumerate(jobs) if job.id == token)][-1]
        page = jobs[start : start + limit]
        shown: dict[str, Any] = {"operations": [self._shown(job, now_us) for job in page]} if page else {}
        if start + limit < len(jobs):
            shown["nextPageToken"] = page[-1].id
        return Told(encoded(shown))

    def _shown(self, job: Job, now_us: int) -> dict[str, Any]:
        phase, results = self._store.phase(job, now_us), self._store.results.get(job.id)
        if phase == "expired" and results is not None and results.count("expired") < len(results.rows):
            phase = "ended"
        over = self._store.over_us(job) if results is not None else None
        metadata = {
            "@type": f"{_TYPE}GenerateContentBatch",
            "model": f"models/{job.model}",
            "displayName": job.settings["display_name"],
            "createTime": _moment(job.created_us),
            "updateTime": _moment(over or now_us),
            "batchStats": self._stats(job, results),
            "state": f"BATCH_STATE_{_STATES[phase]}",
            "name": job.id,
        }
        shown: dict[str, Any] = {"name": job.id, "metadata": metadata}
        if over is not None:
            metadata["endTime"] = _moment(over)
            shown["done"] = True
        if error := _ended_badly(job, phase):
            shown["error"] = error
        return shown

    def _stats(self, job: Job, results: Results | None) -> dict[str, str]:
        """Numbers are strings, and zeros are left out."""
        succeeded = results.count("succeeded") if results is not None else 0
        found = {
            "requestCount": len(job.lines),
            "successfulRequestCount": succeeded,
            "failedRequestCount": len(job.lines) - succeeded if results is not None else 0,
            "pendingRequestCount": len(job.lines) if results is None else 0,
        }
        return {name: str(count) for name, count in found.items() if count}


def _child(data: dict[str, Any], key: str) -> dict[str, Any]:
    """A part of a message, with its names as camels."""
    found = camel(data).get(key) or {}
    if not isinstance(found, dict):
        message = f"Invalid JSON payload received. Expected an object at '{key}'."
        raise JobRefused(400, message)
    return camel(found)


def _ended_badly(job: Job, phase: str) -> dict[str, Any] | None:
    if phase == "failed":
        first = job.problems[0]
        place = "" if first.line is None else f"Request {first.line}: "
        return {"code": _INVALID, "message": f"{place}{first.message}"}
    early = _EARLY.get({"cancelled": "canceled"}.get(phase, phase))
    return {"code": early[0], "message": early[1]} if early else None


def _response(row: Row) -> dict[str, Any]:
    echo = {} if row.line.echo is None else {"metadata": row.line.echo}
    if row.fate == "succeeded":
        return {"response": row.body} | echo
    code, message = _EARLY.get(row.fate) or (_CODES.get(row.status, _INTERNAL), row.body["error"]["message"])
    return {"error": {"code": code, "message": message}} | echo


def _moment(utc_us: int) -> str:
    return datetime.fromtimestamp(utc_us / 1e6, UTC).isoformat().replace("+00:00", "Z")

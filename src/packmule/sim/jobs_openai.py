"""OpenAI's Files and Batches: a file goes in, a job is made of it, and up to two files come out.

A file that cannot be worked on fails its whole job, some time after it was made. Lines that went wrong are in the
error file: with the answer's status where there was one, with a code where the job ended before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from packmule.sim.asked import Refused
from packmule.sim.jobs import (
    Draft,
    File,
    Gone,
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
from packmule.sim.multipart import parts_of
from packmule.sim.wire import Wire, encoded, read_object

_ENDPOINT = "/v1/chat/completions"
_LINES_MAX = 50_000
_STATUS = {"working": "in_progress", "ended": "completed"}
_ENDED_EARLY = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "canceled": ("batch_cancelled", "This batch was cancelled before the request was executed."),
}


class OpenAIJobs:
    """`/v1/files` and `/v1/batches`."""

    prefix = "batch_"
    partial = True
    in_order = False
    routes: Routes = (
        ("POST", re.compile(r"/batches$"), "create"),
        ("GET", re.compile(r"/batches$"), "list"),
        ("GET", re.compile(r"/batches/([^/]+)$"), "poll"),
        ("POST", re.compile(r"/batches/([^/]+)/cancel$"), "cancel"),
        ("POST", re.compile(r"/files$"), "upload"),
        ("GET", re.compile(r"/files$"), "files"),
        ("GET", re.compile(r"/files/([^/]+)$"), "file"),
        ("GET", re.compile(r"/files/([^/]+)/content$"), "download"),
        ("DELETE", re.compile(r"/files/([^/]+)$"), "delete"),
    )

    def __init__(self, wire: Wire, store: JobStore) -> None:
        self.wire = wire
        self._store = store

    def draft(self, request: JobRequest) -> Draft:
        """Read a creation."""
        data = _object(request.body)
        _supported(data, "endpoint", _ENDPOINT)
        _supported(data, "completion_window", "24h")
        source = data.get("input_file_id")
        if not isinstance(source, str) or not source:
            message = "Missing required parameter: 'input_file_id'."
            raise JobRefused(400, message, "input_file_id")
        settings = {"input_file_id": source, "metadata": _metadata(data.get("metadata"))}
        file = self._store.files.get(source)
        if file is None:
            message = f"Cannot find file {source}, or organization box does not have access to it."
            return Draft([], settings, problems=[Problem(message, param="file_id")])
        lines, problems = _read_lines(file.content)
        return Draft(lines, settings, lines[0].body["model"] if lines else "", problems)

    def refuse(self, problems: list[Problem]) -> list[Problem]:
        """A job with problems is made, and fails."""
        return problems

    async def answer(self, verb: str, request: JobRequest, now_us: int) -> Told:
        """Everything but a creation."""
        match verb:
            case "upload":
                return await self._upload(request, now_us)
            case "files":
                return self._list_files(request)
            case "list":
                jobs = self._store.jobs("openai", now_us)
                limit = request.limit("limit", 20, 100)
                return _page([self._shown(job, now_us) for job in jobs], request, limit)
            case "poll" | "cancel":
                job = self._store.job("openai", request.name, now_us)
                if job is None:
                    message = f"No batch found with id '{request.name}'."
                    raise JobRefused(404, message, "id")
                if verb == "cancel":
                    await self._cancel(job, now_us)
                return self.show(job, request, now_us)
            case _:
                return await self._file(verb, request)

    def show(self, job: Job, request: JobRequest, now_us: int) -> Told:
        """A batch object."""
        del request
        return Told(encoded(self._shown(job, now_us)))

    def files(self, job: Job, results: Results) -> Iterator[File]:
        """What comes out of a job."""
        rows = [(row, row.fate == "succeeded") for row in results.told]
        for suffix, wanted in (("output", True), ("error", False)):
            content = b"".join(_line(job, row) for row, well in rows if well == wanted)
            if content:
                name = f"{job.id}_{suffix}.jsonl"
                yield File(_file_id(job, suffix), name, "batch_output", results.ended_us, content)

    def decoy(self, number: int, size: int) -> Draft:
        """Somebody else's job."""
        message = {"role": "user", "content": "Say a word."}
        body = {"model": "small", "messages": [message], "max_completion_tokens": 5}
        lines = [Line(f"row-{place}", body) for place in range(size)]
        return Draft(lines, {"input_file_id": f"file-decoy{number}", "metadata": {"owner": "somebody else"}}, "small")

    async def _upload(self, request: JobRequest, now_us: int) -> Told:
        parts = parts_of(request.headers.get("content-type", ""), request.body)
        purpose = parts["purpose"].content.decode("utf-8", "replace") if "purpose" in parts else ""
        if "file" not in parts:
            message = "'file' is a required property"
            raise JobRefused(400, message, "file")
        if purpose != "batch":
            message = f"Invalid value for 'purpose': this provider in a box takes 'batch', not '{purpose}'."
            raise JobRefused(400, message, "purpose")
        content = parts["file"].content
        first = content.partition(b"\n")[0]
        if isinstance(read_object(first), Refused):
            message = "Invalid file format for Batch API. Must be .jsonl"
            raise JobRefused(400, message, "file")
        file = File(self._store.new_id("file-", request.mark), parts["file"].filename, purpose, now_us, content)
        await self._store.keep(file)
        return Told(encoded(_file_object(file)))

    def _list_files(self, request: JobRequest) -> Told:
        purpose, order = request.query.get("purpose"), request.query.get("order", "desc")
        files = [file for file in self._store.files.values() if purpose in {None, file.purpose}]
        files.sort(key=lambda file: file.created_us, reverse=order == "desc")
        return _page([_file_object(file) for file in files], request, request.limit("limit", 10_000, 10_000))

    async def _file(self, verb: str, request: JobRequest) -> Told:
        file = self._store.files.get(request.name)
        if file is None:
            message = f"No such File object: {request.name}"
            raise JobRefused(404, message, "id")
        if verb == "download":
            return Told(file.content, "application/octet-stream", results=file.purpose == "batch_output")
        if verb == "delete":
            await self._store.keep(Gone(file.id))
            return Told(encoded({"id": file.id, "object": "file", "deleted": True}))
        return Told(encoded(_file_object(file)))

    async def _cancel(self, job: Job, now_us: int) -> None:
        if self._store.running(job, now_us):
            await self._store.cancel(job, now_us)
        elif self._store.phase(job, now_us) not in {"cancelling", "cancelled"}:
            status = self._shown(job, now_us)["status"]
            message = f"Cannot cancel a batch with status '{status}'."
            raise JobRefused(409, message)

    def _shown(self, job: Job, now_us: int) -> dict[str, Any]:
        phase, results = self._store.phase(job, now_us), self._store.results.get(job.id)
        shown = {
            "id": job.id,
            "object": "batch",
            "endpoint": _ENDPOINT,
            "model": job.model or None,
            "errors": _errors(job) if phase == "failed" else None,
            "input_file_id": job.settings["input_file_id"],
            "completion_window": "24h",
            "status": _STATUS.get(phase, phase),
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": self._counts(job, results, phase, now_us),
            "metadata": job.settings["metadata"],
        }
        if results is not None:
            for suffix in ("output", "error"):
                if any((row.fate == "succeeded") == (suffix == "output") for row in results.told):
                    shown[f"{suffix}_file_id"] = _file_id(job, suffix)
        return shown | self._times(job, phase)

    def _counts(self, job: Job, results: Results | None, phase: str, now_us: int) -> dict[str, int]:
        if phase in {"validating", "failed"}:
            return {"total": 0, "completed": 0, "failed": 0}
        total = len(job.lines)
        if results is None:
            return {"total": total, "completed": self._store.done(job, now_us), "failed": 0}
        completed = results.count("succeeded")
        return {"total": total, "completed": completed, "failed": results.count("errored")}

    def _times(self, job: Job, phase: str) -> dict[str, int | None]:
        over = self._store.over_us(job)
        begun = phase not in {"validating", "failed"}
        found = {
            "created_at": job.created_us,
            "expires_at": self._store.expires_us(job),
            "in_progress_at": job.created_us + round(job.duration_s * 1e5) if begun else None,
            "cancelling_at": job.cancelled_us,
            "finalizing_at": over if phase in {"finalizing", "ended", "expired"} else None,
            "completed_at": over if phase == "ended" else None,
            "failed_at": over if phase == "failed" else None,
            "expired_at": over if phase == "expired" else None,
            "cancelled_at": over if phase == "cancelled" else None,
        }
        return {name: None if moment is None else moment // 1_000_000 for name, moment in found.items()}


def _object(body: bytes) -> dict[str, Any]:
    data = read_object(body)
    if isinstance(data, Refused):
        raise JobRefused(data.status, data.message)
    return data


def _supported(data: dict[str, Any], key: str, only: str) -> None:
    if data.get(key) != only:
        message = f"Invalid value for '{key}': {data.get(key)!r}. Supported values are: '{only}'."
        raise JobRefused(400, message, key)


def _metadata(value: Any) -> dict[str, str] | None:  # noqa: ANN401 - any JSON
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > 16:  # noqa: PLR2004 - the vendor's own bounds
        message = "Invalid type for 'metadata': expected an object of at most 16 pairs."
        raise JobRefused(400, message, "metadata")
    for key, entry in value.items():
        if not isinstance(entry, str) or len(key) > 64 or len(entry) > 512:  # noqa: PLR2004 - as above
            message = f"Invalid type for 'metadata.{key}': expected a string of at most 512 characters."
            raise JobRefused(400, message, f"metadata.{key}")
    return value


def _read_lines(content: bytes) -> tuple[list[Line], list[Problem]]:
    lines: list[Line] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for number, raw in enumerate(content.rstrip(b"\r\n").split(b"\n")):
        found = _read_line(raw, number, seen, lines[0].body["model"] if lines else None)
        if isinstance(found, Line):
            lines.append(found)
        else:
            problems.append(found)
    if len(lines) > _LINES_MAX:
        problems.append(Problem(f"The batch has {len(lines)} requests; at most {_LINES_MAX} are allowed."))
    return lines, problems


def _read_line(raw: bytes, number: int, seen: set[str], model: str | None) -> Line | Problem:
    try:
        data = json.loads(raw)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return Problem("This line is not parseable as valid JSON.", "invalid_json_line", number)
    for key, shape in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not isinstance(data.get(key), shape):
            return Problem(f"Missing required parameter: '{key}'.", "missing_required_parameter", number, key)
    if data["url"] != _ENDPOINT or data["method"] != "POST":
        message = "The URL provided for this request does not match the batch endpoint."
        return Problem(message, "invalid_url", number, "url")
    body, name = data["body"], data["custom_id"]
    if not isinstance(body.get("model"), str):
        return Problem("Model parameter is required.", line=number, param="body.model")
    if body.get("stream"):
        message = "Chat Completions: Streaming is not supported in the Batch API."
        return Problem(message, "streaming_unsupported", number, "body.stream")
    if model not in {None, body["model"]}:
        message = f"The provided model '{body['model']}' does not match '{model}'; a batch has one model."
        return Problem(message, "mismatched_model", number, "body.model")
    if name in seen:
        return Problem(
            f"The custom_id '{name}' was already used in this batch.", "duplicate_custom_id", number, "custom_id"
        )
    seen.add(name)
    return Line(name, body)


def _errors(job: Job) -> dict[str, Any]:
    rows = [
        {
            "code": one.code,
            "line": None if one.line is None else one.line + 1,
            "message": one.message,
            "param": one.param,
        }
        for one in job.problems
    ]
    return {"object": "list", "data": rows}


def _line(job: Job, row: Row) -> bytes:
    mark = f"{job.id[-12:]}{row.line.custom_id}"
    response = {"status_code": row.status, "request_id": f"req_{mark}", "body": row.body}
    early = _ENDED_EARLY.get(row.fate)
    told = {
        "id": f"batch_req_{mark}",
        "custom_id": row.line.custom_id,
        "response": None if early else response,
        "error": {"code": early[0], "message": early[1]} if early else None,
    }
    return encoded(told) + b"\n"


def _file_id(job: Job, suffix: str) -> str:
    return f"file-{suffix}-{job.id.removeprefix('batch_')}"


def _file_object(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_us // 1_000_000,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def _page(rows: list[dict[str, Any]], request: JobRequest, limit: int) -> Told:
    names = [row["id"] for row in rows]
    after = request.query.get("after")
    if after is not None and after not in names:
        message = f"Invalid value for 'after': there is no object '{after}'."
        raise JobRefused(400, message, "after")
    start = names.index(after) + 1 if after is not None else 0
    page = rows[start : start + limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return Told(encoded({"object": "list", "data": page, **ends, "has_more": start + limit < len(rows)}))

"""OpenAI's Batch API: a file of lines is uploaded, a batch is made of it, and two files hold its results.

Good answers are in the output file, refused ones in the error file; a row says by itself which it is. Requests that
were not done when a batch expired or was cancelled stand in the error file and cost nothing. A request that timed out
inside may have been billed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.jobs import JobRow, JobSeen
from packmule.providers import reading
from packmule.providers.faults import malformed, sentence
from packmule.providers.jobs_codec import (
    CANCELLED,
    EXPIRED,
    LIMITS,
    PAGE,
    Files,
    JobsCodec,
    Page,
    count,
    get,
    job,
    objects,
    pages_by_id,
    post,
    results_of,
    segment,
    utc_s,
)
from packmule.providers.reading import Object, as_object, as_text

ENDPOINT = "/v1/chat/completions"
MARK = "packmule"
STATES = {
    "validating": "running",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "running",
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
UNBILLED = {"batch_expired": EXPIRED, "batch_cancelled": CANCELLED}
# An error that is no answer of the model has no status of its own. Only this one is documented beside the two above.
STATUSES = {"request_timeout": 504}
STATUS_UNKNOWN = 500
MESSAGES_MAX = 3


def line(name: str, body: bytes) -> bytes:
    """One request of the file."""
    return msgspec.json.encode({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": msgspec.Raw(body)})


def body(marker: str, lines: list[bytes]) -> bytes:
    """The file."""
    del marker
    return b"\n".join(lines) + b"\n"


def upload(base: str, marker: str, content: bytes) -> WireRequest:
    """The file on its way, named after the marker, so that a lost one can be told from others."""
    boundary = f"packmule-{marker}"
    while boundary.encode() in content:
        boundary += "-"
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{marker}.jsonl"\r\n'
        "content-type: application/jsonl\r\n\r\n"
    )
    form = b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode()))
    return post(f"{base}/files", form, f"multipart/form-data; boundary={boundary}")


def uploaded(received: Received) -> str | Fault:
    """The id of the file."""
    value = reading.parsed(received)
    if isinstance(value, Fault):
        return value
    return as_text(value.get("id")) or malformed(received, "it names no file")


def create(base: str, model: str, marker: str, content: bytes, file: str | None) -> WireRequest:
    """A batch of an uploaded file; the model stands in its lines."""
    del model, content
    wanted = {
        "input_file_id": file,
        "endpoint": ENDPOINT,
        "completion_window": "24h",
        "metadata": {MARK: marker},
    }
    return post(f"{base}/batches", msgspec.json.encode(wanted))


def poll(base: str, remote: str) -> WireRequest:
    """What it is now."""
    return get(f"{base}/batches/{segment(remote)}")


def cancel(base: str, remote: str) -> WireRequest:
    """Ask for its end."""
    return post(f"{base}/batches/{segment(remote)}/cancel")


def page(base: str, after: str) -> WireRequest:
    """A page of all batches, the newest first."""
    return get(f"{base}/batches?limit={PAGE}" + (f"&after={segment(after)}" if after else ""))


def fetch(base: str, address: str) -> WireRequest:
    """The content of a file."""
    return get(f"{base}/files/{segment(address)}/content")


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
    name, status = as_text(batch.get("id")), as_text(batch.get("status"))
    if not name:
        return None
    state = STATES.get(status, "running")
    counts = as_object(batch.get("request_counts"))
    # While a batch is validated its total is 0, which means that nobody has counted yet.
    requests = count(counts, "total") or None
    message, bad_lines = _refused(batch) if state == "failed" else ("", ())
    if status not in STATES:
        message = sentence(f"the provider calls its state {status or 'nothing'!r}")
    return JobSeen(
        name,
        state,  # type: ignore[arg-type] # the values of STATES
        marker=as_text(as_object(batch.get("metadata")).get(MARK)),
        created_s=utc_s(batch.get("created_at")),
        requests=requests,
        done=count(counts, "completed") if requests else None,
        wrong=count(counts, "failed") if requests else None,
        results=tuple(filter(None, (as_text(batch.get("output_file_id")), as_text(batch.get("error_file_id"))))),
        message=message,
        bad_lines=bad_lines,
    )


def _refused(batch: Object) -> tuple[str, tuple[int, ...]]:
    """Why a batch was refused, and which lines were the reason. OpenAI counts lines from 1."""
    errors = objects(as_object(batch.get("errors")).get("data"))
    lines = sorted({line - 1 for error in errors if (line := count(error, "line"))})
    texts = [f"{as_text(error.get('code'))}: {as_text(error.get('message'))}".strip(": ") for error in errors]
    return sentence("; ".join(filter(None, texts[:MESSAGES_MAX])) or "no reason given"), tuple(lines)


def rows(path: Path) -> Iterator[JobRow]:
    """The rows of both files."""
    return results_of(path, _row)


def _row(line: Object) -> JobRow | None:
    name, response, error = as_text(line.get("custom_id")), as_object(line.get("response")), line.get("error")
    if not name:
        return None
    status = count(response, "status_code") or 0
    if status // 100 in range(1, 6) and response.get("body") is not None:
        return JobRow(name, Received(status, {}, reading.unparse(response["body"])))
    if not isinstance(error, dict):
        return None
    code = as_text(error.get("code"))
    if code in UNBILLED:
        return JobRow(name, None, UNBILLED[code])
    return JobRow(name, Received(STATUSES.get(code, STATUS_UNKNOWN), {}, reading.unparse({"error": error})))


CODEC = JobsCodec(
    LIMITS["openai"],
    line,
    body,
    create,
    poll,
    cancel,
    page,
    fetch,
    seen,
    cancelled,
    listed,
    rows,
    files=Files(upload, uploaded),
)

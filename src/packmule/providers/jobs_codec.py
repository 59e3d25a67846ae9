"""What a vendor's jobs file gives: a record of pure functions between our jobs and its bytes, as `Codec` is for calls.

It knows no key and no model but by name; requests leave here without the headers of a key. Whatever a provider sends
may be of another shape than it should: a job that cannot be read is a fault, a row that cannot be read is left out,
and a state that nobody knows counts as running, because only that loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.jobs import JobLimits, JobRow, JobSeen
from packmule.providers import reading
from packmule.providers.faults import malformed
from packmule.providers.reading import Object, as_list, as_object

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

# What each provider takes, read in its own documents on 2026-11-22:
#   openai     developers.openai.com/api/docs/guides/batch: 50,000 requests and 200 MB a file; results 30 days.
#   anthropic  platform.claude.com/docs/en/build-with-claude/batch-processing: 100,000 requests or 256 MB; 29 days.
#   gemini     ai.google.dev/gemini-api/docs/batch-api: inline requests under 20 MB, expires after 48 h; about 6 weeks.
#              It names no number of requests; ours bounds the results, which come as one JSON document.
# All three bill a job at half the price. How many tokens may wait depends on model and tier, and only the account's
# own page says it; who passes it is refused, which costs nothing. Groq, Mistral, Together and xAI have jobs as well,
# each in a shape of its own: none of them is built.
LIMITS = {
    "openai": JobLimits(50_000, 200_000_000, window_s=DAY_S, retention_s=30 * DAY_S, uploads=True),
    "anthropic": JobLimits(100_000, 256_000_000, window_s=DAY_S, retention_s=29 * DAY_S, marked=False),
    "gemini": JobLimits(5_000, 20_000_000, window_s=2 * DAY_S, retention_s=42 * DAY_S),
}
# The most that one row of results can be; a longer line is read in pieces, none of which is a row.
LINE_MAX = 64 * 2**20
PAGE = 100
EXPIRED = "the job expired before this request was done"
CANCELLED = "the job was cancelled before this request was done"
_SECONDS_MAX = 2**40


class Page(NamedTuple):
    """One page of a listing; `after` leads to the next, '' when this is the last."""

    jobs: list[JobSeen]
    after: str


@dataclass(frozen=True, slots=True)
class Files:
    """For a provider that takes a job as a file: (base URL, marker, content) -> request, answer -> file id."""

    upload: Callable[[str, str, bytes], WireRequest]
    uploaded: Callable[[Received], str | Fault]


@dataclass(frozen=True, slots=True)
class JobsCodec:
    """The first parameter of a request is always the base URL.

    `line` is (custom id, realtime body), `body` (marker, lines), `create` (base, model, marker, body, file id),
    `page` (base, after), `fetch` (base, an address out of `JobSeen.results`). `newest_first`: a listing that has come
    to an older job has nothing newer behind it. `inlined`: what a job says of itself holds its results, however large.
    """

    limits: JobLimits
    line: Callable[[str, bytes], bytes]
    body: Callable[[str, list[bytes]], bytes]
    create: Callable[[str, str, str, bytes, str | None], WireRequest]
    poll: Callable[[str, str], WireRequest]
    cancel: Callable[[str, str], WireRequest]
    page: Callable[[str, str], WireRequest]
    fetch: Callable[[str, str], WireRequest | Fault]
    seen: Callable[[Received], JobSeen | Fault]
    cancelled: Callable[[str, Received], JobSeen | Fault]
    listed: Callable[[Received], Page | Fault]
    rows: Callable[[Path], Iterator[JobRow]]
    files: Files | None = None
    newest_first: bool = True
    inlined: bool = False


def get(url: str) -> WireRequest:
    """A request for what is there."""
    return WireRequest("GET", url, {}, b"")


def post(url: str, body: bytes = b"{}", media: str = "application/json") -> WireRequest:
    """A request to do something. It always has a body: without one its length would not be said, which some refuse."""
    return WireRequest("POST", url, {"content-type": media}, body)


def segment(name: str) -> str:
    """A name that a server gave us, as one segment of an address."""
    return quote(name, safe="")


def job(received: Received, read: Callable[[Object], JobSeen | None]) -> JobSeen | Fault:
    """The one job of an answer."""
    value = reading.parsed(received)
    if isinstance(value, Fault):
        return value
    return read(value) or malformed(received, "it names no job")


def pages_by_id(received: Received, read: Callable[[Object], JobSeen | None]) -> Page | Fault:
    """A page in the form of OpenAI and Anthropic: `data`, `has_more`, and the last id leads on."""
    value = reading.parsed(received)
    if isinstance(value, Fault):
        return value
    if not isinstance(value.get("data"), list):
        return malformed(received, "it holds no list of jobs")
    jobs = [found for entry in value["data"] if (found := read(as_object(entry))) is not None]
    more = value.get("has_more")
    if len(jobs) != len(value["data"]) or (more is True and not jobs):
        return malformed(received, "its list of jobs cannot be read whole")
    return Page(jobs, jobs[-1].id if jobs and more is not False else "")


def lines_of(path: Path) -> Iterator[Object]:
    """The JSON objects of a file of lines; what is none is left out."""
    with path.open("rb") as file:
        while line := file.readline(LINE_MAX):
            try:
                value = reading.parse(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def results_of(path: Path, read: Callable[[Object], JobRow | None]) -> Iterator[JobRow]:
    """The rows of a file of lines."""
    return (row for line in lines_of(path) if (row := read(line)) is not None)


def count(holder: Object, name: str) -> int | None:
    """A number of requests, also where it is spelt as text (Gemini's 64-bit numbers are); None for what is none."""
    value = holder.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:  # noqa: PLR2004
        return int(value)
    return value if type(value) is int and 0 <= value < _SECONDS_MAX else None


def utc_s(value: Any) -> float:  # noqa: ANN401 - any JSON value
    """UTC seconds of a time in whole seconds or by RFC 3339; 0 where it is neither."""
    if type(value) is int and 0 <= value < _SECONDS_MAX:
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return 0.0
    try:
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0.0


def objects(value: Any) -> list[Object]:  # noqa: ANN401 - any JSON value
    """The objects of a list."""
    return [as_object(entry) for entry in as_list(value)]

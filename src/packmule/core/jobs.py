"""Provider batch jobs: what a job is, what is known of it, and how its lines are named. Pure.

A job carries many attempts for half the price and answers within hours. Its life is one table; whatever is not in it
cannot happen. `uploaded` is for providers that take a file first. Whoever finds `intended` or `uploaded` without a
remote id cannot know whether the provider has the job: that is what the marker is for.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from packmule.core.calls import Received

JobState = Literal["intended", "uploaded", "submitted", "ended", "ingested", "failed", "cancelled", "expired"]
JobEvent = Literal["upload", "submit", "end", "ingest", "fail", "cancel", "expire"]

JOB: dict[str, dict[str, str]] = {
    "intended": {"upload": "uploaded", "submit": "submitted", "fail": "failed"},
    "uploaded": {"submit": "submitted", "fail": "failed"},
    "submitted": {"end": "ended", "fail": "failed", "cancel": "cancelled", "expire": "expired"},
    # Cancelled and expired jobs have results too: what was done before is billed and kept.
    "ended": {"ingest": "ingested"},
    "cancelled": {"ingest": "ingested"},
    "expired": {"ingest": "ingested"},
    "ingested": {},
    "failed": {},
}
OPEN: tuple[JobState, ...] = ("intended", "uploaded", "submitted", "ended", "cancelled", "expired")

MARKER_MAX = 32
SEP = "-"


class JobLimits(Struct, frozen=True):
    """What a provider takes in one job, and how long it keeps it. Bytes are of the whole body; None: no limit known.

    `window_s` is how long it may work; `retention_s` how long results can be fetched, from creation. `discount` is
    what a job costs, as parts of the realtime price: (1, 2) is half. `enqueued_tokens` bounds the input tokens of all
    open jobs of one model.
    """

    requests: int
    bytes: int
    window_s: float
    retention_s: float
    discount: tuple[int, int] = (1, 2)
    enqueued_tokens: int | None = None
    uploads: bool = False
    marked: bool = True


class JobSeen(Struct, frozen=True):
    """What the provider says of one of its jobs.

    `state`: `running`; `ended` (results are there); `cancelled` and `expired` (results of what was done may be there);
    `failed` (nothing was done, `message` says why). `marker` is ours, '' where the provider keeps none. `created_s` is
    UTC seconds. `requests` is how many lines it has, `done` and `wrong` how many ended well and badly; None: unknown.
    `results` are the addresses or file ids of its results. `bad_lines` are the 0-based lines that a refusal named.
    """

    id: str
    state: Literal["running", "ended", "failed", "cancelled", "expired"]
    marker: str = ""
    created_s: float = 0.0
    requests: int | None = None
    done: int | None = None
    wrong: int | None = None
    results: tuple[str, ...] = ()
    message: str = ""
    bad_lines: tuple[int, ...] = ()


class JobRow(Struct, frozen=True):
    """One line of a job's results: an answer as if it had come alone, or why there is none and nothing is billed."""

    custom_id: str
    received: Received | None
    unbilled: str = ""


def custom_id(marker: str, line: int) -> str:
    """The name of a line: unique among all jobs ever, within every provider's rules (letters, digits, _ and -)."""
    return f"{marker}{SEP}{line}"


def line_of(marker: str, name: str) -> int | None:
    """The line that a custom id of this job names, None for a foreign one."""
    head, _, tail = name.rpartition(SEP)
    return int(tail) if head == marker and tail.isdecimal() and tail.isascii() else None

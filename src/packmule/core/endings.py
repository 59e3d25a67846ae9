"""A run has many endings, and each is a recorded reason. One table leads from it to the exit code."""

from __future__ import annotations

from dataclasses import dataclass

from packmule.core.rows import BatchRow

EXIT_CODES = {
    "done": 0,
    "failures": 3,
    "refused": 3,
    "budget": 4,
    "overrun": 4,
    "person": 5,
    "pilot": 5,
    "cancelled": 5,
    "preflight": 6,
    "auth": 75,
    "outage": 75,
    "disk": 75,
    "lease": 75,
    "sigint": 130,
    "sigterm": 143,
    "sighup": 129,
}


def code_of(row: BatchRow) -> int:
    """The exit code of a batch at rest: never 0 when an item failed; 6 when a key was refused before any cost."""
    if row.state == "completed":
        return EXIT_CODES["failures"] if row.failed or row.blocked else 0
    if row.reason == "auth" and row.settled == 0 and row.unknown == 0:
        return EXIT_CODES["preflight"]
    if row.state in {"created", "running", "paused"}:
        # Nobody runs it any more, and it said no last word: it goes on later.
        return EXIT_CODES["lease"]
    return EXIT_CODES.get(row.reason, 1)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the batch's state, a reason of the table above, a sentence, and whether all is on disk.

    `unused_calls` are journaled answers that a changed recipe no longer asked for.
    """

    state: str
    reason: str
    detail: str = ""
    saved: bool = True
    unused_calls: int = 0

"""A run has many endings, and each is a recorded reason. One table leads from it to the exit code."""

from __future__ import annotations

from dataclasses import dataclass

EXIT_CODES = {
    "done": 0,
    "failures": 3,
    "refused": 3,
    "budget": 4,
    "overrun": 4,
    "person": 5,
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

    @property
    def exit_code(self) -> int:
        """What the command line returns, before failed items are looked at."""
        return EXIT_CODES.get(self.reason, 1)

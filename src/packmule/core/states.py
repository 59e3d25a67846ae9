"""The state machines, each one table: state x event -> state. An illegal move is an error, not a branch.

Two rules: only `pending` and the final states of an item are durable, what it is doing now is the runner's live
row; and whatever is not in a table cannot happen. Stalled, throttled, stopping and the like are labels that views
compute; they are deliberately absent here.
"""

from __future__ import annotations

from typing import Literal

ItemState = Literal[
    "pending",
    "generating",
    "validating",
    "retrying",
    "paused",
    "completed",
    "failed",
    "skipped",
    "blocked",
    "cancelled",
]
ItemEvent = Literal[
    "begin",
    "check",
    "ask",
    "wait",
    "pause",
    "unwind",
    "complete",
    "fail",
    "skip",
    "block",
    "cancel",
    "reopen",
]
BatchState = Literal["created", "running", "paused", "completed", "stopped", "cancelled", "failed"]
BatchEvent = Literal["start", "pause", "unpause", "complete", "stop", "cancel", "fail", "reopen"]
AttemptState = Literal["held", "answered", "not_sent", "rejected", "unknown", "reconciled", "written_off"]
AttemptEvent = Literal["answer", "not_send", "reject", "lose", "reconcile", "write_off"]

ITEM_FINAL: tuple[ItemState, ...] = ("completed", "failed", "skipped", "blocked", "cancelled")
ITEM_ACTIVE: tuple[ItemState, ...] = ("generating", "validating", "retrying")

BATCH_OVER: tuple[BatchState, ...] = ("completed", "cancelled")

_ENDS: dict[str, str] = {
    "complete": "completed",
    "fail": "failed",
    "skip": "skipped",
    "block": "blocked",
    "cancel": "cancelled",
}
_ACTIVE_MOVES = {"ask": "generating", "check": "validating", "wait": "retrying", "pause": "paused", "unwind": "pending"}

ITEM: dict[str, dict[str, str]] = {
    "pending": {"begin": "generating", "skip": "skipped", "block": "blocked", "cancel": "cancelled"},
    "generating": {**_ACTIVE_MOVES, **_ENDS},
    "validating": {**_ACTIVE_MOVES, **_ENDS},
    "retrying": {**_ACTIVE_MOVES, **_ENDS},
    # A recipe may finish what needs no ask while new calls are held back.
    "paused": {**_ACTIVE_MOVES, **_ENDS},
    "completed": {},
    "failed": {"reopen": "pending"},
    "skipped": {"reopen": "pending"},
    "blocked": {"reopen": "pending"},
    "cancelled": {"reopen": "pending"},
}

BATCH: dict[str, dict[str, str]] = {
    "created": {"start": "running", "cancel": "cancelled", "fail": "failed"},
    # `start` from running: the last runner died without a word, and the next one goes on.
    "running": {
        "start": "running",
        "pause": "paused",
        "complete": "completed",
        "stop": "stopped",
        "cancel": "cancelled",
        "fail": "failed",
    },
    "paused": {
        "start": "running",
        "unpause": "running",
        "complete": "completed",
        "stop": "stopped",
        "cancel": "cancelled",
        "fail": "failed",
    },
    "stopped": {"start": "running", "cancel": "cancelled"},
    "failed": {"start": "running", "cancel": "cancelled"},
    # Only a new round or appended rows reopen what has ended.
    "completed": {"reopen": "created"},
    "cancelled": {"reopen": "created"},
}

ATTEMPT: dict[str, dict[str, str]] = {
    "held": {"answer": "answered", "not_send": "not_sent", "reject": "rejected", "lose": "unknown"},
    "unknown": {"reconcile": "reconciled", "write_off": "written_off"},
    "answered": {},
    "not_sent": {},
    "rejected": {},
    "reconciled": {},
    "written_off": {},
}


class IllegalMove(AssertionError):
    """A move that no table allows: a bug of ours, never a user's mistake."""


def move(table: dict[str, dict[str, str]], state: str, event: str) -> str:
    """The state after `event`. Raises IllegalMove for what the table does not hold."""
    after = table[state].get(event)
    if after is None:
        message = f"no {event!r} from {state!r}"
        raise IllegalMove(message)
    return after

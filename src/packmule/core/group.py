"""A group: all that one transaction writes for one batch. The engine fills it, the store empties it.

Rows are kept by kind, because one prepared statement over many rows costs a tenth of many statements. The money and
the counts of the group are sums, added to the totals in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Row = tuple[Any, ...]


class Waiter(Protocol):
    """Told once its group is durable: an asyncio Future, on the engine's loop."""

    def done(self) -> bool:
        """Is nobody waiting any more?"""
        ...

    def set_result(self, result: None, /) -> None:
        """It is durable."""
        ...


class Group:
    """Rows of one transaction. `waiters` are told once it is durable."""

    __slots__ = (
        "attempt_ends",
        "attempts",
        "begun",
        "buckets",
        "call_ends",
        "calls",
        "counts",
        "events",
        "item_ends",
        "live",
        "live_of",
        "notes",
        "overrun",
        "statements",
        "tick",
        "waiters",
    )

    def __init__(self) -> None:
        self.calls: list[Row] = []
        self.attempts: list[Row] = []
        self.begun: list[int] = []
        self.attempt_ends: list[Row] = []
        self.call_ends: list[Row] = []
        self.item_ends: list[tuple[Row, int]] = []
        self.notes: list[Row] = []
        self.events: list[Row] = []
        self.buckets: list[Row] = []
        self.live: Row | None = None
        # Makes `live` when the group is complete: what it says and what is committed with it are of one moment.
        self.live_of: Callable[[], Row] | None = None
        self.tick: Row | None = None
        # Rare writes: (statement name, parameters).
        self.statements: list[tuple[str, Row | dict[str, Any]]] = []
        self.counts = new_counts()
        self.overrun = False
        self.waiters: list[Waiter] = []

    @property
    def empty(self) -> bool:
        """Nothing to write and nobody waits."""
        return not (
            self.attempts
            or self.attempt_ends
            or self.call_ends
            or self.item_ends
            or self.notes
            or self.events
            or self.buckets
            or self.live_of
            or self.tick
            or self.statements
            or self.waiters
        )


def new_counts() -> dict[str, int]:
    """Deltas of the totals row, all zero."""
    return dict.fromkeys(
        (
            "pending",
            "completed",
            "failed",
            "skipped",
            "blocked",
            "cancelled",
            "settled",
            "unknown",
            "held",
            "tokens_in",
            "tokens_out",
            "attempts",
        ),
        0,
    )

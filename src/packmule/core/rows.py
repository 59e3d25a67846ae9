"""Rows as the store gives them out: frozen values that know nothing of SQL."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from packmule.core.batch import Limits, Round, SourceMark, Spec


class BatchRow(Struct, frozen=True):
    """A batch with its totals. Counts of items by state add up to `total`; money in picodollars.

    `written_off` is the part of `settled` that is the worst case of lost answers: owed perhaps, the price of nothing.
    """

    batch: int
    id: str
    identity: str
    spec_digest: str
    spec: Spec
    limits: Limits
    source: SourceMark
    round: Round
    command: str
    ingested: bool
    ingest_notes: dict[str, Any]
    out_dir: str
    created_at: int
    epoch: int
    rev: int
    state: str
    reason: str
    cap: int | None
    total: int
    pending: int
    completed: int
    failed: int
    skipped: int
    blocked: int
    cancelled: int
    settled: int
    unknown: int
    held: int
    tokens_in: int
    tokens_out: int
    attempts: int
    started_at: int | None
    ended_at: int | None
    written_off: int = 0

    @property
    def per_item(self) -> float | None:
        """What a completed item has cost on the mean; None before there is one."""
        return (self.settled - self.written_off) / self.completed if self.completed else None


class ItemRow(Struct, frozen=True):
    """A pending item. `begun` means that its journal has rows."""

    seq: int
    key: str
    data: dict[str, Any]
    begun: bool
    round: int


class CallRow(Struct, frozen=True):
    """A call of an item's journal; `ended` None while it has no end."""

    number: int
    round: int
    digest: bytes
    nth: int
    ended: str | None
    reason: str | None
    kind: str | None


class AttemptRow(Struct, frozen=True):
    """One try at a call, with what it cost and what came of it."""

    number: int
    nth: int
    model: str
    state: str
    worst: int
    cost: int | None
    tokens_in: int | None
    tokens_out: int | None
    fault: str | None
    message: str | None
    answer: bytes | None
    latency_ms: int | None
    flagged: bool
    started_at: int
    job: str | None = None
    line: int | None = None


class JobRecord(Struct, frozen=True):
    """A job that may still bring something. `requests` is how many lines it was made with; microseconds UTC."""

    marker: str
    model: str
    state: str
    requests: int
    file: str | None
    remote: str | None
    intended_at: int


class HeldLine(Struct, frozen=True):
    """A line of an open job whose attempt is held."""

    line: int
    seq: int
    number: int
    nth: int
    worst: int
    started_at: int


class ChangedRow(Struct, frozen=True):
    """An item that changed: at its first intent and at its end, no more. `rev` is where to go on reading."""

    seq: int
    key: str
    state: str
    reason: str | None
    cost: int
    attempts: int
    rev: int


class ShownRow(Struct, frozen=True):
    """An item as a table shows it; picodollars: `cost` is settled, `unknown` the worst cases of its lost answers."""

    seq: int
    key: str
    state: str
    reason: str | None
    latency_ms: int
    cost: int
    unknown: int = 0


class SliceRow(Struct, frozen=True):
    """An item as a state file tells of it: JSON output, picodollars, how many attempts are held, microseconds UTC."""

    seq: int
    state: str
    reason: str | None
    output: bytes | None
    cost: int
    held: int
    started_at: int | None
    ended_at: int | None


class FailedRow(Struct, frozen=True):
    """A failed or blocked item. `kind` is that of the call that its reason is from, `asked` whether it made any call.

    `cost` is settled, `unknown` the worst cases of its lost answers; picodollars.
    """

    rev: int
    seq: int
    key: str
    state: str
    reason: str | None
    cost: int
    unknown: int
    kind: str | None
    asked: bool


class UnknownRow(Struct, frozen=True):
    """An attempt that may have been billed: whose, at most how much, and why nobody knows."""

    key: str
    seq: int
    number: int
    nth: int
    model: str
    worst: int
    fault: str
    message: str
    started_at: int


class ItemJournal(Struct, frozen=True):
    """All that is known of one item; notes are (round, name, value)."""

    calls: list[CallRow]
    attempts: list[AttemptRow]
    notes: list[tuple[int, str, Any]]


class Wish(Struct, frozen=True):
    """What a person asked of a running batch."""

    id: int
    kind: str
    data: dict[str, Any]
    who: str


Amount = Annotated[int, Meta(ge=0, le=10**18)]
"""What a file may say of money and of counts, so that every sum stays within 64 bits."""


class SavedRow(Struct, frozen=True):
    """An ended item as a checkpoint holds it. `output` is JSON, null without one; cost in picodollars."""

    seq: int
    key: str
    state: Literal["completed", "failed", "blocked", "skipped"]
    output: msgspec.Raw
    reason: str | None
    cost: Amount
    tokens_in: Amount
    tokens_out: Amount
    # Each becomes a row when it is taken over.
    attempts: Annotated[int, Meta(ge=0, le=100_000)]
    latency_ms: Amount
    model: str | None


class ResultRow(Struct, frozen=True):
    """An item as exports see it. `output` is JSON, None without one."""

    seq: int
    key: str
    state: str
    output: msgspec.Raw | None
    reason: str | None
    cost: int
    tokens_in: int
    tokens_out: int
    attempts: int
    latency_ms: int
    model: str | None

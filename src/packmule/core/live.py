"""The live row: what the runner of a batch is doing now. Written at most four times a second, read by every view.

Each field has a default, so that a row of an older packmule still reads.
"""

from __future__ import annotations

from msgspec import Struct

from packmule.core.pulse import PulseFacts


class LiveItem(Struct, frozen=True, omit_defaults=True):
    """An item being worked on: its state since `for_s` seconds; `wait_s` until its next try.

    Picodollars: `cost` is settled, `unknown` the worst cases of its lost answers.
    """

    seq: int
    key: str
    state: str
    reason: str = ""
    for_s: float = 0.0
    wait_s: float = 0.0
    cost: int = 0
    unknown: int = 0


class LiveBucket(Struct, frozen=True, omit_defaults=True):
    """A model's width and calls in flight; `why` nothing goes there now, and for how long still (0: nobody knows)."""

    model: str
    width: int = 0
    in_flight: int = 0
    wait_s: float = 0.0
    why: str = ""


class MoneyFacts(Struct, frozen=True, omit_defaults=True):
    """Items ended in this session that cost something: how many, their mean cost in picodollars, its variation."""

    items: int = 0
    mean: float = 0.0
    cv: float = 0.0


class Totals(Struct, frozen=True):
    """Counts of items by state and money in picodollars, of the same moment as the rest of the row."""

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


class Live(Struct, frozen=True, omit_defaults=True):
    """All of it. `at` is microseconds UTC, `epoch` the session's; `stopping` is why a stop waits for calls.

    `rev` is the change of the batch that it was committed with: later ones are not in it.
    """

    at: int = 0
    rev: int = 0
    epoch: int = 0
    totals: Totals | None = None
    active: tuple[LiveItem, ...] = ()
    buckets: tuple[LiveBucket, ...] = ()
    in_flight: int = 0
    waiting: int = 0
    closed: str = ""
    stopping: str = ""
    unused_calls: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    pulse: PulseFacts | None = None
    money: MoneyFacts = MoneyFacts()

"""One value says how a batch stands; terminal, JSON, hub and notebook render this value and nothing else.

completed + failed + skipped + blocked + cancelled + pending = total, always; items that are being worked on are part
of pending. What the runner said some seconds ago is aged to now, so that countdowns run between two of its words.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from packmule.core.eta import Forecast, History, forecast
from packmule.core.live import Live, LiveBucket
from packmule.core.pulse import PulseFacts
from packmule.core.rows import BatchRow
from packmule.views.labels import label_of
from packmule.views.projection import Projection, project

COUNTS = ("total", "completed", "failed", "skipped", "blocked", "cancelled", "pending")
MONEY = ("settled", "unknown", "held", "tokens_in", "tokens_out", "attempts")


class Waits(Struct, frozen=True):
    """A model that is waited for: how long still, and why."""

    model: str
    wait_s: float
    why: str


class Line(Struct, frozen=True):
    """One item as a table shows it. `number` counts from 1; `wait_s` is until its next try.

    Picodollars: `cost` is settled and never falls, `unknown` the worst cases of its lost answers.
    """

    number: int
    key: str
    state: str
    reason: str = ""
    time_s: float | None = None
    wait_s: float = 0.0
    cost: int = 0
    unknown: int = 0


class Progress(Struct, frozen=True):
    """Counts of items by state, money in picodollars, times in seconds. None: not known.

    `label` is the state in a person's words (running, pausing, throttled, stalled, interrupted ...); `lines` are the
    items worth showing, in the order to show them. `per_min` counts items ended in this session; `at` is microseconds
    UTC. `rev` is the last change that the figures count, None for all there are.
    """

    batch_id: str
    state: str
    reason: str
    total: int
    completed: int
    failed: int
    skipped: int
    blocked: int
    cancelled: int
    pending: int
    in_flight: int
    settled: int
    unknown: int
    held: int
    cap: int | None
    tokens_in: int
    tokens_out: int
    attempts: int = 0
    at: int = 0
    rev: int | None = None
    label: str = ""
    name: str = ""
    models: tuple[str, ...] = ()
    cap_stops: bool = True
    width: int = 0
    concurrency: int = 0
    per_min: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    elapsed_s: float | None = None
    eta: Forecast | None = None
    projection: Projection | None = None
    waits: tuple[Waits, ...] = ()
    active: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def done(self) -> int:
        """Items that were asked about and are over; what was skipped or cancelled was not."""
        return self.completed + self.failed + self.blocked

    @property
    def wanted(self) -> int:
        """Items that there is something to do about: all but the skipped ones."""
        return self.total - self.skipped

    @property
    def share(self) -> float:
        """Per cent done of what is wanted, rounded down to a tenth: 100 only when all of it is done."""
        return 1000 * self.done // self.wanted / 10 if self.wanted else 100.0

    @property
    def running(self) -> bool:
        """A runner drives it now."""
        return self.label in {"running", "throttled", "paused", "pausing", "stopping"}

    @property
    def left_after(self) -> int | None:
        """What of the cap the projection leaves; negative when it would not be enough."""
        return None if self.cap is None or self.projection is None else self.cap - self.projection.likely


def progress_of(
    row: BatchRow, live: Live | None, now_us: int = 0, *, alive: bool = True, history: History | None = None
) -> Progress:
    """From the totals row and the live row, as of `now_us`. `alive`: a process holds the batch.

    While it runs all figures are those of the live row, which is of one moment; the totals row is newer than that.
    """
    running = row.state in {"running", "paused"} and alive
    live = live if live is not None and running and live.epoch == row.epoch else Live()
    if live.totals is not None:
        row = replace(row, **asdict(live.totals))
    age_s = max(0.0, (now_us - live.at) / 1e6) if live.at and row.state == "running" else 0.0
    return Progress(
        batch_id=row.id,
        state=row.state,
        reason=row.reason,
        cap=row.limits.max_cost,
        cap_stops=row.limits.on_budget == "stop",
        in_flight=live.in_flight,
        at=now_us,
        rev=live.rev if live.totals is not None else None,
        label=label_of(row, live, age_s, alive=alive),
        name=row.source.name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1],
        models=row.spec.models,
        width=sum(bucket.width for bucket in live.buckets),
        concurrency=row.limits.concurrency,
        per_min=_per_min(live.pulse, age_s),
        p50_s=live.p50_s,
        p95_s=live.p95_s,
        elapsed_s=_elapsed_s(row, now_us),
        eta=_eta(row, live, age_s, history) if running else None,
        projection=project(row, live.money),
        waits=tuple(_waits(bucket, age_s) for bucket in live.buckets if bucket.why),
        active=tuple(_line(item, age_s) for item in live.active),
        **{name: getattr(row, name) for name in (*COUNTS, *MONEY)},
    )


def _per_min(pulse: PulseFacts | None, age_s: float) -> float | None:
    if pulse is None or pulse.window < 2 or pulse.window_s <= 0:  # noqa: PLR2004 - one end shows no rate
        return None
    usual_s = pulse.window_s / pulse.window
    silence_s = max(0.0, pulse.idle_s + pulse.stall_s + age_s - usual_s)
    return 60 * pulse.window / (pulse.window_s + silence_s)


def _elapsed_s(row: BatchRow, now_us: int) -> float | None:
    if row.started_at is None:
        return None
    return max(0.0, ((row.ended_at or now_us) - row.started_at) / 1e6)


def _eta(row: BatchRow, live: Live, age_s: float, history: History | None) -> Forecast | None:
    if live.pulse is None:
        return None
    pulse = replace(live.pulse, active_s=live.pulse.active_s + age_s, idle_s=live.pulse.idle_s + age_s)
    width = sum(bucket.width for bucket in live.buckets) or row.limits.concurrency
    return forecast(pulse, row.pending, min(width, row.limits.concurrency), history)


def _waits(bucket: LiveBucket, age_s: float) -> Waits:
    return Waits(bucket.model, max(0.0, bucket.wait_s - age_s), bucket.why)


def _line(item: Any, age_s: float) -> Line:  # noqa: ANN401 - a LiveItem
    wait_s = max(0.0, item.wait_s - age_s)
    time_s = item.for_s + age_s
    return Line(item.seq + 1, item.key, item.state, item.reason, time_s, wait_s, item.cost, item.unknown)


def wait_text(wait: Waits) -> str:
    """'waits 6s: rate limit'; only the reason where nobody knows for how long."""
    return f"waits {whole(wait.wait_s)}s: {wait.why}" if wait.wait_s else wait.why


def whole(wait_s: float) -> int:
    """Seconds to wait, as a countdown says them: never 0 while there is something left."""
    return max(1, round(wait_s))

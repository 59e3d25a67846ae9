"""One value says how a batch stands; every face renders this value and nothing else.

completed + failed + skipped + blocked + cancelled + pending = total, always; `in_flight` items are part of pending.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from packmule.core.money import usd_short
from packmule.core.rows import BatchRow


class Waits(Struct, frozen=True):
    """A model that is waited for: how long still, and why."""

    model: str
    wait_s: float
    why: str


class Progress(Struct, frozen=True):
    """Counts of items by state, money in picodollars, calls in flight, waits with their reasons."""

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
    waits: tuple[Waits, ...] = ()

    @property
    def done(self) -> int:
        """Items in a final state."""
        return self.total - self.pending


def progress_of(row: BatchRow, live: dict[str, Any] | None) -> Progress:
    """From the totals row and, while a runner lives, its live row."""
    live = live or {}
    waits = tuple(
        Waits(bucket["model"], bucket["wait_s"], bucket["why"]) for bucket in live.get("buckets", ()) if bucket["why"]
    )
    running = row.state in {"running", "paused"}
    names = ("total", "completed", "failed", "skipped", "blocked", "cancelled", "pending", "settled", "unknown", "held")
    return Progress(
        batch_id=row.id,
        state=row.state,
        reason=row.reason,
        cap=row.limits.max_cost,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        in_flight=int(live.get("in_flight", 0)) if running else 0,
        waits=waits if running else (),
        **{name: getattr(row, name) for name in names},
    )


def progress_line(progress: Progress) -> str:
    """One plain line: '412/1,000 41% | $0.41 of $2.00 | 8 in flight | 3 failed | waits 6s: rate limit'."""
    share = f" {100 * progress.done // progress.total}%" if progress.total else ""
    money = usd_short(progress.settled)
    if progress.cap is not None:
        over = " (above the cap)" if progress.settled + progress.unknown > progress.cap else ""
        money += f" of {usd_short(progress.cap)}{over}"
    if progress.unknown:
        money += f" + {usd_short(progress.unknown)} unknown"
    parts = [f"{progress.done:,}/{progress.total:,}{share}", money]
    if progress.in_flight:
        parts.append(f"{progress.in_flight} in flight")
    parts += [f"{count:,} {name}" for name in ("failed", "blocked", "skipped") if (count := getattr(progress, name))]
    parts += [_wait(wait) for wait in progress.waits[:1]]
    if progress.state == "paused":
        parts.append(f"paused: {progress.reason}" if progress.reason else "paused")
    return " | ".join(parts)


def _wait(wait: Waits) -> str:
    return f"waits {wait.wait_s:.0f}s: {wait.why}" if wait.wait_s else wait.why

"""The live row as the runner sees it now: up to 200 items being worked on, what is waited for and why, the pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packmule.core.live import Live, LiveBucket, LiveItem, Totals
from packmule.core.states import ITEM_ACTIVE
from packmule.engine.item_run import ItemRun
from packmule.engine.tap import BucketState, Tap
from packmule.engine.waiting import Waiting

if TYPE_CHECKING:
    from packmule.engine.runner import Runner

ACTIVE_MAX = 200
SHOWN = (*ITEM_ACTIVE, "paused")


def live_row(runner: Runner) -> Live:
    """One value; durations in seconds."""
    clock, tap, vitals = runner.world.clock, runner.tap, runner.vitals
    now_s = clock.now_s()
    p50_s, p95_s = vitals.percentiles
    shown = [run for run in runner.runs.values() if run.state in SHOWN and not _queued(run)][:ACTIVE_MAX]
    return Live(
        at=clock.utc_us(),
        epoch=runner.epoch,
        totals=_totals(runner),
        active=tuple(_item(run, tap, now_s) for run in shown),
        buckets=tuple(_bucket(tap, bucket, now_s) for bucket in tap.buckets.values()),
        in_flight=tap.in_flight,
        waiting=len(tap.waiting),
        closed=tap.closed,
        stopping=runner.stopping.reason if runner.stopping is not None else "",
        unused_calls=runner.unused_calls,
        p50_s=p50_s,
        p95_s=p95_s,
        pulse=vitals.pulse(runner.runs.values(), now_s),
        money=vitals.money,
    )


def _totals(runner: Runner) -> Totals:
    """As the tap counts: what was admitted a moment ago is held, though its intent is in no group yet."""
    row, counts = runner.row, runner.recorder.counts
    sums = {name: getattr(row, name) + count for name, count in counts.items()}
    return Totals(total=row.total, **{**sums, "held": runner.ledger.held})


def _queued(run: ItemRun) -> bool:
    """It waits for its first slot: for a person it has not begun."""
    return run.asked_s is None and run.on_way == 0 and bool(run.waiting)


def _item(run: ItemRun, tap: Tap, now_s: float) -> LiveItem:
    wait_s = 0.0
    if run.state == "retrying":
        wait_s = min((_ready_s(waiting, tap, now_s) - now_s for waiting in run.waiting), default=0.0)
    for_s, wait_s = round(now_s - run.since_s, 3), round(max(0.0, wait_s), 3)
    return LiveItem(run.seq, run.key, run.state, run.reason, for_s, wait_s, run.settled, run.unknown_pico)


def _ready_s(waiting: Waiting, tap: Tap, now_s: float) -> float:
    """When a call may be tried again, as far as anybody knows."""
    wait_s, _ = blocked(tap.bucket(waiting.endpoint), tap, now_s)
    return max(waiting.ready_s if waiting.retrying else 0.0, now_s + wait_s)


def _bucket(tap: Tap, bucket: BucketState, now_s: float) -> LiveBucket:
    wait_s, why = blocked(bucket, tap, now_s)
    return LiveBucket(
        bucket.endpoint.model, int(bucket.pace.width), bucket.pace.in_flight, round(min(wait_s, 1e9), 3), why
    )


def blocked(bucket: BucketState, tap: Tap, now_s: float) -> tuple[float, str]:
    """(seconds, why) nothing goes to this model now; (0, '') when it is open."""
    breaker, pace = bucket.breaker, bucket.pace
    if bucket.halted:
        return 0.0, bucket.halted
    if breaker.open_until_s is not None:
        return max(0.0, breaker.open_until_s - now_s), f"provider trouble: {breaker.reason}"
    if pace.gate_s > now_s:
        return pace.gate_s - now_s, pace.gate_reason
    if bucket.why == "rate limit" and tap.wake_s is not None and (bucket.begun or bucket.fresh):
        return max(0.0, tap.wake_s - now_s), bucket.why
    return 0.0, ""

"""The live row: what the runner is doing now. Written at most four times a second, and only while it runs.

Up to 200 active items with what they do and since when, what is waited for and why, the pace, a heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from packmule.core.states import ITEM_ACTIVE
from packmule.engine.item_run import ItemRun
from packmule.engine.tap import Tap

ACTIVE_MAX = 200


def live_row(runs: Iterable[ItemRun], tap: Tap, now_s: float, extra: dict[str, Any]) -> dict[str, Any]:
    """One JSON value; durations in seconds."""
    active = []
    for run in runs:
        if run.state in ITEM_ACTIVE:
            active.append(
                {"seq": run.seq, "key": run.key, "state": run.state, "reason": run.reason, "for_s": now_s - run.since_s}
            )
            if len(active) >= ACTIVE_MAX:
                break
    return {
        "active": active,
        "in_flight": tap.in_flight,
        "waiting": len(tap.waiting),
        "closed": tap.closed,
        "buckets": [_bucket(tap, name, now_s) for name in tap.buckets],
        **extra,
    }


def _bucket(tap: Tap, name: str, now_s: float) -> dict[str, Any]:
    bucket = tap.buckets[name]
    wait, why = 0.0, ""
    if bucket.halted:
        why = bucket.halted
    elif bucket.breaker.open_until_s is not None:
        wait, why = max(0.0, bucket.breaker.open_until_s - now_s), f"provider trouble: {bucket.breaker.reason}"
    elif bucket.pace.gate_s > now_s:
        wait, why = bucket.pace.gate_s - now_s, bucket.pace.gate_reason
    return {
        "model": name,
        "width": int(bucket.pace.width),
        "in_flight": bucket.pace.in_flight,
        "wait_s": wait,
        "why": why,
    }

"""A batch's state in a person's words. Stored are state and reason; these labels are computed, never stored."""

from __future__ import annotations

from packmule.core.live import Live
from packmule.core.rows import BatchRow

STALLED_S = 15.0
"""The runner writes its live row every five seconds at the least; three missed ones are worth a word."""


def label_of(row: BatchRow, live: Live, age_s: float, *, alive: bool) -> str:
    """Running, throttled, pausing, paused, stopping, stalled, interrupted; else the stored state."""
    if row.state not in {"running", "paused"}:
        return row.state
    if not alive:
        return "interrupted"
    if live.at and age_s > STALLED_S:
        return "stalled"
    if live.stopping:
        return "stopping"
    if row.state == "paused":
        return "pausing" if live.in_flight else "paused"
    blocked = [bucket for bucket in live.buckets if bucket.why and bucket.why != "width"]
    return "throttled" if blocked and not live.in_flight else "running"

"""What a bucket learned outlives the process.

A restart neither hammers a provider that is down nor forgets a Retry-After. Times are kept in UTC and turned back
into durations.
"""

from __future__ import annotations

from typing import Any

import msgspec

from packmule.core.breaker import WAIT_FIRST_S
from packmule.core.pace import GATE_MAX_S
from packmule.core.ports import Clock, Journal
from packmule.engine.tap import BucketState


def save(bucket: BucketState, clock: Clock) -> tuple[str, int, str]:
    """The row of a bucket."""
    now_s = clock.now_s()
    breaker = bucket.breaker
    data = {
        "gate_left_s": max(0.0, bucket.pace.gate_s - now_s),
        "gate_reason": bucket.pace.gate_reason,
        "open_left_s": None if breaker.open_until_s is None else max(0.0, breaker.open_until_s - now_s),
        "wait_s": breaker.wait_s,
        "reason": breaker.reason,
    }
    return _name(bucket), clock.utc_us(), msgspec.json.encode(data).decode()


def restore(bucket: BucketState, journal: Journal, clock: Clock) -> None:
    """Take over what an earlier process learned, as far as it still holds."""
    row = journal.bucket(_name(bucket))
    if row is None:
        return
    at_us, data = row
    passed_s = max(0.0, (clock.utc_us() - at_us) / 1e6)
    now_s = clock.now_s()
    if left := _left(data, "gate_left_s", passed_s):
        bucket.pace.gate(now_s + left, str(data.get("gate_reason", "")))
    if left := _left(data, "open_left_s", passed_s):
        bucket.breaker.open_until_s = now_s + left
        bucket.breaker.since_s = now_s
        bucket.breaker.wait_s = float(data.get("wait_s", WAIT_FIRST_S))
        bucket.breaker.reason = str(data.get("reason", ""))


def _name(bucket: BucketState) -> str:
    return f"{bucket.endpoint.model} {bucket.endpoint.place}".rstrip()


def _left(data: dict[str, Any], name: str, passed_s: float) -> float:
    value = data.get(name)
    return 0.0 if value is None else max(0.0, min(float(value), GATE_MAX_S) - passed_s)

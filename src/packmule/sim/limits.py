"""The provider's rate limits: two leaky buckets, refilled all the time."""

from __future__ import annotations

from packmule.sim.scenario import Limits
from packmule.sim.wire import Rate, Rates

MINUTE_S = 60.0


class Bucket:
    """`per_min` units a minute; full at first."""

    def __init__(self, per_min: int) -> None:
        self._per_min = per_min
        self._level = float(per_min)
        self._at_s: float | None = None

    def wait_s(self, units: float, now_s: float) -> float:
        """Seconds until `units` are there; 0 when they are now. More than the bucket holds waits for a full one."""
        self._refill(now_s)
        missing = min(units, self._per_min) - self._level
        return max(0.0, missing) * MINUTE_S / self._per_min

    def take(self, units: float) -> None:
        """Use units up."""
        self._level = max(0.0, self._level - units)

    def rate(self) -> Rate:
        """As the headers tell it."""
        reset_s = (self._per_min - self._level) * MINUTE_S / self._per_min
        return Rate(self._per_min, int(self._level), reset_s)

    def _refill(self, now_s: float) -> None:
        passed = 0.0 if self._at_s is None else now_s - self._at_s
        self._level = min(self._per_min, self._level + passed * self._per_min / MINUTE_S)
        self._at_s = now_s


class Limiter:
    """Both limits of a scenario."""

    def __init__(self, limits: Limits) -> None:
        self._requests = Bucket(limits.requests_per_min) if limits.requests_per_min else None
        self._tokens = Bucket(limits.tokens_per_min) if limits.tokens_per_min else None

    def admit(self, tokens: int, now_s: float) -> float:
        """0 and the units are taken, or the seconds to wait."""
        needs = [(bucket, units) for bucket, units in ((self._requests, 1), (self._tokens, tokens)) if bucket]
        wait_s = max((bucket.wait_s(units, now_s) for bucket, units in needs), default=0.0)
        if wait_s == 0.0:
            for bucket, units in needs:
                bucket.take(units)
        return wait_s

    def rates(self, utc_s: float) -> Rates:
        """What the headers say."""
        requests = self._requests.rate() if self._requests else None
        return Rates(utc_s, requests, self._tokens.rate() if self._tokens else None)

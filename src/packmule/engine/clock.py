"""The one place that reads a clock. Durations are monotonic, records are UTC."""

from __future__ import annotations

import asyncio
import time


class RealClock:
    """The machine's clocks."""

    # Asked ten times an item: the clock itself, without a call around it.
    now_s = staticmethod(time.monotonic)

    def utc_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    async def sleep(self, wait_s: float) -> None:
        """Let `wait_s` seconds pass."""
        await asyncio.sleep(wait_s)


class PacedClock:
    """The machine's clocks, but a second lasts `pace` seconds: for a demonstration in a hurry. Records stay UTC."""

    def __init__(self, pace: float) -> None:
        self._pace = pace

    def now_s(self) -> float:
        """Monotonic seconds of this pace."""
        return time.monotonic() / self._pace

    def utc_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    async def sleep(self, wait_s: float) -> None:
        """Let `wait_s` seconds of this pace pass."""
        await asyncio.sleep(wait_s * self._pace)

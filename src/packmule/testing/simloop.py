"""An event loop whose time is virtual: it jumps to the next timer instead of waiting, and shuffles what is ready.

Touches private parts of asyncio's BaseEventLoop (`_ready`, `_run_once`), as every virtual loop does.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: everyone waits for something that cannot come."""


class _NoWait(selectors.DefaultSelector):
    """Never blocks: virtual time has no idle hours. Real sockets are still polled (the loop's own wake-up pipe)."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: SimLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and self.loop is not None:
            self.loop.jump(timeout)
        return ready


class SimLoop(asyncio.SelectorEventLoop):
    """Seeded: the same seed gives the same history."""

    def __init__(self, seed: int = 0) -> None:
        selector = _NoWait()
        self._now = 0.0
        super().__init__(selector)
        selector.loop = self
        self._chance = random.Random(seed)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def jump(self, timeout: float | None) -> None:
        """Let virtual time pass to the next timer."""
        if timeout is None:
            message = "nothing is ready and no timer is set"
            raise Deadlock(message)
        self._now += timeout

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
            handles = list(ready)
            self._chance.shuffle(handles)
            ready.clear()
            ready.extend(handles)
        super()._run_once()  # type: ignore[misc]


class SimClock:
    """The clock of a SimLoop; records begin at 2026-01-01 UTC, or so many virtual seconds later."""

    START_US = 1_767_225_600_000_000

    def __init__(self, loop: asyncio.AbstractEventLoop, later_s: float = 0.0) -> None:
        self._loop = loop
        self._later_s = later_s

    def now_s(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def utc_us(self) -> int:
        """Virtual microseconds UTC."""
        return self.START_US + round((self._loop.time() + self._later_s) * 1e6)

    async def sleep(self, wait_s: float) -> None:
        """Virtual sleep."""
        await asyncio.sleep(wait_s)


def run_simulated(main: Coroutine[Any, Any, Any], seed: int = 0) -> Any:  # noqa: ANN401 - what main returns
    """Run a coroutine to its end on a fresh SimLoop."""
    with asyncio.Runner(loop_factory=lambda: SimLoop(seed)) as runner:
        return runner.run(main)

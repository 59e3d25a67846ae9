"""Lanes carry attempts: intent durable, bytes out, answer in, end recorded. One lane, one attempt at a time.

Attempts run here, in the engine's task group: a recipe's own timeout or cancellation never cancels one. When lanes
are dropped, what was on its way is recorded as unknown.
"""

from __future__ import annotations

import asyncio

from packmule.core.calls import Answer, Fault
from packmule.engine.recorder import Recorder
from packmule.engine.settling import Owner, Settling
from packmule.engine.tap import Tap
from packmule.engine.waiting import Waiting
from packmule.engine.world import World


class Lanes:
    """As many lanes as attempts were ever on their way at once."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tap: Tap,
        recorder: Recorder,
        world: World,
        owner: Owner,
        settling: Settling,
    ) -> None:
        self._tasks = tasks
        self._tap = tap
        self._recorder = recorder
        self._world = world
        self._owner = owner
        self._settling = settling
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[Waiting | None]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._begun: set[asyncio.Task[None] | None] = set()
        self._scheduled = self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Something changed: look at the tap once this loop turn is over."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def drop(self) -> None:
        """Cancel every attempt on its way; each is recorded as unknown."""
        for task in list(self._running):
            # One that has not begun would be cancelled before its first line; it finds the tap closed instead.
            if task in self._begun:
                task.cancel()

    def close(self) -> None:
        """No more attempts: idle lanes end."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)
        self._idle.clear()

    def _pump(self) -> None:
        self._scheduled = False
        try:
            while (waiting := self._next()) is not None:
                self._launch(waiting)
            if self._tap.broke:
                self._owner.on_broke()
            self._set_timer()
        except Exception as error:  # noqa: BLE001 - a callback of the loop: nobody else would see it
            self._owner.on_crash(error)

    def _next(self) -> Waiting | None:
        while (waiting := self._tap.next()) is not None and waiting.blocked:
            self._owner.on_blocked(waiting)
        return waiting

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._tap.wake_s is not None and not self._closed:
            wait_s = max(0.0, self._tap.wake_s - self._world.clock.now_s())
            self._timer = self._loop.call_later(wait_s * self._world.pace + 0.001, self.wake)

    def _launch(self, waiting: Waiting) -> None:
        # The intent joins this turn's group at once; a run that is over waits for what is on its way.
        waiting.run.on_way += 1
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(waiting)
                return
        task = self._tasks.create_task(self._lane(waiting))
        self._running.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._begun.discard(task)

    async def _lane(self, first: Waiting) -> None:
        self._begun.add(asyncio.current_task())
        try:
            await self._carry_on(first)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the run ends with it
            self._owner.on_crash(error)

    async def _carry_on(self, first: Waiting) -> None:
        waiting: Waiting | None = first
        while waiting is not None:
            try:
                await self._carry(waiting)
            except asyncio.CancelledError:
                if self._closed:
                    raise
                return
            waiting = None if self._closed else self._next()
            if waiting is not None:
                waiting.run.on_way += 1
                continue
            if self._closed:
                return
            self.wake()
            idle: asyncio.Future[Waiting | None] = self._loop.create_future()
            self._idle.append(idle)
            try:
                waiting = await idle
            except asyncio.CancelledError:
                if idle.done() and not idle.cancelled() and (given := idle.result()) is not None:
                    self._settling.give_back(given)
                raise

    async def _carry(self, waiting: Waiting) -> None:
        sent = False
        try:
            self._settling.intend(waiting)
            await self._recorder.durable()
            waiting.started_s = self._world.clock.now_s()
            if self._tap.closed or waiting.run.closing is not None:
                outcome: Answer | Fault = Fault("stopped", "not_sent", "stopped before it was sent")
            else:
                sent = True
                outcome = await self._exchange(waiting)
        except asyncio.CancelledError:
            self._settling.end(waiting, Fault("stopped", "unknown" if sent else "not_sent", "dropped while on its way"))
            raise
        self._settling.end(waiting, outcome)

    async def _exchange(self, waiting: Waiting) -> Answer | Fault:
        world, endpoint = self._world, waiting.endpoint
        timeout_s = world.round.timeout_s or world.limits.timeout_s
        got = await endpoint.send(waiting.body, timeout_s)
        if isinstance(got, Fault):
            return got
        hint = endpoint.hint(got)
        if hint is not None:
            pace = self._tap.bucket(endpoint).pace
            pace.correct(hint, world.clock.now_s(), world.limits.rpm, world.limits.tpm)
        return endpoint.decode(got)

"""Lanes carry attempts: intent durable, bytes out, answer in, end recorded. One lane, one attempt at a time.

Attempts run here, in the engine's task group: a recipe's own timeout or cancellation never cancels one. When lanes
are dropped, what was on its way is recorded as unknown.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from packmule.core.calls import Answer, Fault
from packmule.core.money import cost_of
from packmule.core.retry import BREAKER_FAILURES, PACE_TROUBLE, after_fault
from packmule.engine.ask import judge
from packmule.engine.item_run import ItemRun
from packmule.engine.recorder import Recorder
from packmule.engine.tap import BucketState, Tap
from packmule.engine.waiting import Ended, Waiting
from packmule.engine.world import World

_encode = msgspec.json.encode
_STATE = {"not_sent": "not_sent", "rejected": "rejected", "unknown": "unknown"}


class LaneOwner(Protocol):
    """What lanes tell the runner."""

    def on_intent(self, run: ItemRun) -> None: ...
    def on_answer(self, latency_s: float) -> None: ...
    def on_attempt_end(self, waiting: Waiting) -> None: ...
    def on_blocked(self, waiting: Waiting) -> None: ...
    def on_broke(self) -> None: ...
    def on_halt(self, bucket: BucketState, fault: Fault) -> None: ...
    def on_overrun(self, waiting: Waiting, cost: int) -> None: ...
    def on_bucket_change(self, bucket: BucketState) -> None: ...
    def on_crash(self, error: BaseException) -> None: ...


class Lanes:
    """As many lanes as attempts were ever on their way at once."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tap: Tap,
        recorder: Recorder,
        world: World,
        owner: LaneOwner,
        ids: tuple[int, int],
    ) -> None:
        self._tasks = tasks
        self._tap = tap
        self._recorder = recorder
        self._world = world
        self._owner = owner
        self._batch, self._epoch = ids
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[Waiting | None]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._begun: set[asyncio.Task[None] | None] = set()
        self._scheduled = self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self.successes = 0
        self.latency_sum_s = 0.0

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
                    self._give_back(given)
                raise

    def _give_back(self, waiting: Waiting) -> None:
        """Admitted, but its lane was dropped before the intent was written: as if it had never been."""
        self._tap.settle(waiting, cost=None)
        bucket = self._tap.bucket(waiting.endpoint)
        bucket.pace.done(waiting.tokens, 0)
        bucket.breaker.on_neutral()
        waiting.run.on_way -= 1
        self._owner.on_attempt_end(waiting)

    async def _carry(self, waiting: Waiting) -> None:
        sent = False
        try:
            self._intend(waiting)
            await self._recorder.durable()
            waiting.started_s = self._world.clock.now_s()
            if self._tap.closed or waiting.run.closing is not None:
                outcome: Answer | Fault = Fault("stopped", "not_sent", "stopped before it was sent")
            else:
                sent = True
                outcome = await self._exchange(waiting)
        except asyncio.CancelledError:
            self._end(waiting, Fault("stopped", "unknown" if sent else "not_sent", "dropped while on its way"))
            raise
        self._end(waiting, outcome)

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

    def _intend(self, waiting: Waiting) -> None:
        run, group, batch = waiting.run, self._recorder.group, self._batch
        if waiting.fresh_call:
            group.calls.append(
                (
                    batch,
                    run.seq,
                    waiting.number,
                    run.round,
                    waiting.digest,
                    waiting.nth_ask,
                    waiting.label,
                    waiting.packed,
                )
            )
            waiting.fresh_call = False
        at = self._world.clock.utc_us()
        model = waiting.endpoint.model
        group.attempts.append((batch, run.seq, waiting.number, waiting.nth, self._epoch, model, waiting.worst, at))
        if not run.recorded:
            group.begun.append(run.seq)
            run.recorded = True
        group.counts["held"] += waiting.worst
        group.counts["attempts"] += 1
        if run.asked_s is None:
            self._owner.on_intent(run)
        run.change("ask")

    def _end(self, waiting: Waiting, outcome: Answer | Fault) -> None:
        now_s = self._world.clock.now_s()
        latency_ms = max(0, round((now_s - waiting.started_s) * 1000)) if waiting.started_s else 0
        bucket = self._tap.bucket(waiting.endpoint)
        held = waiting.held
        waiting.run.latency_ms += latency_ms
        if isinstance(outcome, Answer):
            self._answered(waiting, outcome, bucket, held, latency_ms)
        else:
            self._faulted(waiting, outcome, bucket, held, latency_ms)
        waiting.nth += 1
        waiting.run.on_way -= 1
        self._recorder.wake()
        self._owner.on_attempt_end(waiting)

    def _answered(self, waiting: Waiting, answer: Answer, bucket: BucketState, held: int, latency_ms: int) -> None:
        run, usage, now_s = waiting.run, answer.usage, self._world.clock.now_s()
        cost = held if usage is None else cost_of(waiting.endpoint.price, usage)
        within = self._tap.settle(waiting, cost=cost)
        used = None if usage is None else usage.tokens_in + usage.tokens_out
        bucket.pace.done(waiting.tokens, used)
        bucket.pace.on_success(now_s)
        was_down = bucket.down
        bucket.breaker.on_success(now_s)
        if was_down:
            self._owner.on_bucket_change(bucket)
        self.successes += 1
        self.latency_sum_s += latency_ms / 1000
        self._owner.on_answer(latency_ms / 1000)
        run.attempts += 1
        run.model = waiting.endpoint.model
        tokens = (None, None) if usage is None else (usage.tokens_in, usage.tokens_out)
        run.tokens_in += tokens[0] or 0
        run.tokens_out += tokens[1] or 0
        row = ("answered", cost, *tokens, usage is None or not within, None, None, _encode(answer), latency_ms)
        self._record(waiting, row, held=held, settled=cost, tokens=tokens)
        if not within:
            self._recorder.group.overrun = True
            self._owner.on_overrun(waiting, cost)
        ended = judge(waiting, answer)
        ended.cost, ended.model = cost, waiting.endpoint.model
        if answer.finish == "length":
            run.remark = "the answer was cut at the output bound"
        elif usage is None:
            run.remark = "the provider reported no usage: counted at the worst case"
        self.end_call(waiting, ended)

    def _faulted(self, waiting: Waiting, fault: Fault, bucket: BucketState, held: int, latency_ms: int) -> None:
        run, now_s = waiting.run, self._world.clock.now_s()
        unknown = fault.outcome == "unknown"
        self._tap.settle(waiting, cost=None, unknown=unknown)
        run.unknown_pico += held if unknown else 0
        run.attempts += fault.outcome != "not_sent"
        self._recorder.group.counts["attempts"] -= fault.outcome == "not_sent"
        bucket.pace.done(waiting.tokens, 0 if fault.outcome == "not_sent" else None)
        # What came instead of an answer is kept, so that a person can look at it.
        kept = _encode(fault.body.decode("utf-8", "replace")) if fault.body and unknown else None
        row = (_STATE[fault.outcome], None, None, None, False, fault.kind, fault.message, kept, latency_ms)
        self._record(waiting, row, held=held, unknown=held if unknown else 0)
        self._tell_bucket(waiting, fault, bucket, now_s)
        verdict = after_fault(
            fault, waiting.spent, self._world.limits.policy(), bucket.pace.limits_in_row, self._world.rng.random()
        )
        if fault.kind == "stopped":
            self._again(waiting)
        elif verdict.action == "gate":
            bucket.pace.limits_in_row += 1
            bucket.pace.gate(now_s + verdict.wait_s, _words(fault))
            self._owner.on_bucket_change(bucket)
            run.change("wait", f"waits: {_words(fault)}")
            self._again(waiting)
        elif verdict.action == "retry":
            waiting.spent += 1
            count = self._world.limits.retry_count
            run.change("wait", f"retry {waiting.spent}/{count}: {_words(fault)}")
            if not waiting.abandoned:
                self._tap.put_later(waiting, now_s + verdict.wait_s)
        elif verdict.action == "halt":
            bucket.halted = fault.message
            self._again(waiting)
            self._owner.on_halt(bucket, fault)
        else:
            held = unknown and self._world.limits.on_unknown == "hold"
            why = (
                f"{fault.message}; held, because it may have been billed (--on-unknown hold)" if held else fault.message
            )
            self.end_call(waiting, Ended("failed", reason=why, kind="held" if held else fault.kind))

    def _again(self, waiting: Waiting) -> None:
        if not waiting.abandoned:
            self._tap.put(waiting, first=True)

    def _tell_bucket(self, waiting: Waiting, fault: Fault, bucket: BucketState, now_s: float) -> None:
        if fault.kind in PACE_TROUBLE:
            bucket.pace.on_trouble(now_s, waiting.started_s)
        if fault.kind in BREAKER_FAILURES:
            was_open = bucket.breaker.open_until_s
            bucket.breaker.on_failure(now_s, _words(fault), self._world.rng.random())
            if bucket.breaker.open_until_s != was_open:
                self._owner.on_bucket_change(bucket)
        else:
            bucket.breaker.on_neutral()

    def _record(
        self,
        waiting: Waiting,
        row: tuple[object, ...],
        *,
        held: int,
        settled: int = 0,
        unknown: int = 0,
        tokens: tuple[int | None, int | None] = (None, None),
    ) -> None:
        group = self._recorder.group
        group.attempt_ends.append((*row, self._batch, waiting.run.seq, waiting.number, waiting.nth))
        counts = group.counts
        counts["held"] -= held
        counts["settled"] += settled
        counts["unknown"] += unknown
        counts["tokens_in"] += tokens[0] or 0
        counts["tokens_out"] += tokens[1] or 0

    def end_call(self, waiting: Waiting, ended: Ended) -> None:
        """Record a call's end and hand it to its recipe."""
        row = (ended.state, ended.reason or None, ended.kind or None, self._batch, waiting.run.seq, waiting.number)
        self._recorder.group.call_ends.append(row)
        self._recorder.wake()
        if not waiting.future.done():
            waiting.future.set_result(ended)


_WORDS = {"local": "this machine has no more files or sockets", "connect": "no connection", "reset": "connection lost"}


def _words(fault: Fault) -> str:
    return _WORDS.get(fault.kind, fault.kind.replace("_", " "))

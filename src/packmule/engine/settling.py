"""What an attempt comes to: its intent, its money, its record, and its call's next step. Lanes and jobs share it."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from packmule.core.calls import Answer, Fault
from packmule.core.money import Price, cost_of
from packmule.core.retry import BREAKER_FAILURES, PACE_TROUBLE, after_fault
from packmule.core.rows import AttemptRow, HeldLine
from packmule.engine.ask import judge
from packmule.engine.item_run import ItemRun
from packmule.engine.recorder import Recorder
from packmule.engine.tap import BucketState, Tap
from packmule.engine.waiting import Ended, Waiting
from packmule.engine.world import World

_encode = msgspec.json.encode
_STATE = {"not_sent": "not_sent", "rejected": "rejected", "unknown": "unknown"}


class Owner(Protocol):
    """What lanes, jobs and settling tell the runner."""

    def on_intent(self, run: ItemRun) -> None: ...
    def on_answer(self, latency_s: float) -> None: ...
    def on_attempt_end(self, waiting: Waiting) -> None: ...
    def on_detached(self, run: ItemRun) -> None: ...
    def note(self, kind: str, data: dict[str, Any]) -> None: ...
    def on_blocked(self, waiting: Waiting) -> None: ...
    def on_broke(self) -> None: ...
    def on_halt(self, bucket: BucketState, fault: Fault) -> None: ...
    def on_overrun(self, key: str, cost: int, worst: int) -> None: ...
    def on_bucket_change(self, bucket: BucketState) -> None: ...
    def on_crash(self, error: BaseException) -> None: ...


class Settling:
    """One a session. `successes` and `latency_sum_s` are of its answered attempts."""

    def __init__(self, tap: Tap, recorder: Recorder, world: World, owner: Owner, ids: tuple[int, int]) -> None:
        self._tap = tap
        self._recorder = recorder
        self._world = world
        self._owner = owner
        self._batch, self._epoch = ids
        self.successes = 0
        self.latency_sum_s = 0.0

    def intend(self, waiting: Waiting, job: tuple[str, int] | tuple[None, None] = (None, None)) -> None:
        """The attempt joins the group of this turn; nothing of it may leave before that is durable."""
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
        intent = (batch, run.seq, waiting.number, waiting.nth, self._epoch, model, waiting.worst, at, *job)
        group.attempts.append(intent)
        if not run.recorded:
            group.begun.append(run.seq)
            run.recorded = True
        group.counts["held"] += waiting.worst
        group.counts["attempts"] += 1
        if run.asked_s is None:
            self._owner.on_intent(run)
        run.change("ask")

    def give_back(self, waiting: Waiting) -> None:
        """Admitted, but dropped before its intent was written: as if it had never been."""
        self._tap.settle(waiting, cost=None)
        bucket = self._tap.bucket(waiting.endpoint)
        bucket.pace.done(waiting.tokens, 0)
        bucket.breaker.on_neutral()
        waiting.run.on_way -= 1
        self._owner.on_attempt_end(waiting)

    def end(self, waiting: Waiting, outcome: Answer | Fault) -> None:
        """The attempt landed: its money, its record, and what comes of its call."""
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
        cost = held if usage is None else cost_of(waiting.price, usage)
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
            self._owner.on_overrun(run.key, cost, held)
        self.conclude(waiting, answer, cost, waiting.endpoint.model)

    def conclude(self, waiting: Waiting, answer: Answer, cost: int, model: str) -> None:
        """An answer is judged, and its call ends."""
        run, usage = waiting.run, answer.usage
        ended = judge(waiting, answer)
        ended.cost, ended.model = cost, model
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

    def end_unasked(self, line: HeldLine, model: str, outcome: Answer | Fault, price: Price) -> AttemptRow:
        """An attempt landed that no recipe waits for yet: it is paid and kept, and judged once it is asked for."""
        worst, usage = line.worst, outcome.usage
        cost: int | None = None
        state, fault, message, answer, flagged = "answered", None, None, None, False
        if isinstance(outcome, Answer):
            cost = worst if usage is None else cost_of(price, usage)
            answer = _encode(outcome)
            self.successes += 1
        else:
            state, fault, message = _STATE[outcome.outcome], outcome.kind, outcome.message
        unknown = state == "unknown"
        within = self._tap.land(worst, cost=cost, unknown=unknown)
        flagged = cost is not None and (usage is None or not within)
        tokens = (usage.tokens_in, usage.tokens_out) if usage is not None and cost is not None else (None, None)
        group, counts = self._recorder.group, self._recorder.group.counts
        row = (state, cost, *tokens, flagged, fault, message, answer, None)
        group.attempt_ends.append((*row, self._batch, line.seq, line.number, line.nth))
        counts["held"] -= worst
        counts["settled"] += cost or 0
        counts["unknown"] += worst if unknown else 0
        counts["attempts"] -= state == "not_sent"
        counts["tokens_in"] += tokens[0] or 0
        counts["tokens_out"] += tokens[1] or 0
        if not within:
            group.overrun = True
            self._owner.on_overrun(f"in place {line.seq + 1}", cost or 0, worst)
        self._recorder.wake()
        started = line.started_at
        into, out = tokens
        return AttemptRow(
            line.number, line.nth, model, state, worst, cost, into, out, fault, message, answer, None, flagged, started
        )

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

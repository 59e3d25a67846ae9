"""The one place that decides whether the next attempt may start now.

It asks the pure rules of `core` in this order: is the tap open (wish, stop, disk), is there a slot, does the breaker
let one through, does the pace, does the ledger. What is begun goes before what is new; while something begun waits for
money nothing new begins. When only money is missing and nothing is on its way, the batch is `broke`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from packmule.core.batch import Limits
from packmule.core.breaker import Breaker
from packmule.core.ledger import Ledger
from packmule.core.pace import Pace
from packmule.core.ports import Clock, Endpoint
from packmule.core.retry import RetryBudget
from packmule.engine.item_run import ItemRun
from packmule.engine.waiting import Waiting

FOREVER = float("inf")


@dataclass(slots=True)
class BucketState:
    """One model's queue and the rules that watch over it."""

    endpoint: Endpoint
    pace: Pace
    breaker: Breaker = field(default_factory=Breaker)
    begun: deque[Waiting] = field(default_factory=deque)
    fresh: deque[Waiting] = field(default_factory=deque)
    halted: str = ""
    why: str = ""

    def blocked_s(self, now_s: float, tokens: int | None) -> float:
        """Seconds until this bucket lets an attempt through, 0 for now; `why` says the reason.

        `tokens` None: it goes into a job, for which the pace of single requests does not count.
        """
        if self.halted:
            self.why = self.halted
            return FOREVER
        wait = self.breaker.blocks(now_s)
        if wait:
            self.why = f"provider trouble: {self.breaker.reason}"
            return wait
        if tokens is None:
            wait, self.why = self.pace.gated_s(now_s)
        else:
            wait, self.why = self.pace.wait_s(now_s, tokens)
        return wait

    @property
    def down(self) -> bool:
        """Failover is due: halted, or the breaker is open."""
        return bool(self.halted) or self.breaker.open_until_s is not None


class Tap:
    """All waiting calls of a batch. Mutated on the engine's loop only."""

    def __init__(self, ledger: Ledger, limits: Limits, clock: Clock) -> None:
        self.ledger = ledger
        self.limits = limits
        self.closed = ""
        self.in_flight = 0
        self.broke = self.poor = False
        self.wake_s: float | None = None
        self.largest_item = 0
        self.buckets: dict[str, BucketState] = {}
        # In jobs mode: is there a job that takes this call?
        self.room: Callable[[Waiting], bool] | None = None
        self.budget = RetryBudget()
        self._clock = clock
        self._later: list[tuple[float, int, Waiting]] = []
        self._order = count()

    def bucket(self, endpoint: Endpoint) -> BucketState:
        """The bucket of a model, made when first asked."""
        state = self.buckets.get(endpoint.model)
        if state is None:
            pace = Pace(float(self.limits.concurrency), endpoint.growth_per_min)
            now_s = self._clock.now_s()
            pace.grown_s = now_s
            for rate, bucket in ((self.limits.rpm, pace.requests), (self.limits.tpm, pace.tokens)):
                if rate is not None:
                    bucket.limit(rate, now_s)
            state = self.buckets[endpoint.model] = BucketState(endpoint, pace)
        return state

    def repace(self) -> None:
        """Other limits hold from now on. A width that a person raises is allowed to grow there at once."""
        now_s = self._clock.now_s()
        for bucket in self.buckets.values():
            pace = bucket.pace
            pace.width_max = float(self.limits.concurrency)
            pace.width = min(pace.width, pace.width_max)
            for rate, tokens in ((self.limits.rpm, pace.requests), (self.limits.tpm, pace.tokens)):
                if rate is not None:
                    tokens.limit(rate, now_s)

    def put(self, waiting: Waiting, *, first: bool = False) -> None:
        """Queue a call: before all others when it was already at the front."""
        bucket = self.bucket(waiting.endpoint)
        queue = bucket.begun if waiting.run.begun else bucket.fresh
        if first:
            queue.appendleft(waiting)
        else:
            queue.append(waiting)

    def put_later(self, waiting: Waiting, ready_s: float) -> None:
        """A retry: not before `ready_s`, and within the retry budget."""
        waiting.ready_s = ready_s
        waiting.retrying = True
        heapq.heappush(self._later, (ready_s, next(self._order), waiting))

    @property
    def waiting(self) -> list[Waiting]:
        """Every call that waits, for views and for unwinding."""
        queued = [w for b in self.buckets.values() for w in (*b.begun, *b.fresh)]
        return [w for w in (*queued, *(entry[2] for entry in self._later)) if not w.abandoned]

    def next(self) -> Waiting | None:
        """The next attempt that may start now, already held and counted, or None; `wake_s` says when to ask again."""
        now_s = self._clock.now_s()
        self.wake_s = None
        self.broke = False
        if self.closed:
            return None
        self._retries_due(now_s)
        if self.in_flight >= self.limits.width:
            return None
        poor = waits = False
        for bucket in list(self.buckets.values()):
            head = self._head(bucket)
            if head is None:
                continue
            if self.room is not None and not self.room(head):
                waits = True
                continue
            wait = bucket.blocked_s(now_s, head.tokens if self.room is None else None)
            if wait:
                self._fail_over(bucket)
                waits = True
                self._wake(now_s + wait)
                continue
            chosen = self._affordable(bucket)
            if chosen is not None:
                return self._take(bucket, chosen)
            poor = True
        self.poor = poor
        self.broke = poor and not waits and not self._later and self.in_flight == 0
        return None

    def _head(self, bucket: BucketState) -> Waiting | None:
        for queue in (bucket.begun, bucket.fresh):
            while queue and queue[0].abandoned:
                queue.popleft()
            if queue:
                return queue[0]
        return None

    def _affordable(self, bucket: BucketState) -> Waiting | None:
        """The first call that the money allows; over its item's own cap it is returned too, to be blocked."""
        for queue in (bucket.begun, bucket.fresh):
            for waiting in queue:
                if not waiting.abandoned and (self.over_item_cap(waiting) or self._admits(waiting)):
                    queue.remove(waiting)
                    return waiting
            if queue:
                return None
        return None

    def over_item_cap(self, waiting: Waiting) -> bool:
        """Would the next attempt pass the item's own cap?"""
        return waiting.run.money.would_pass(waiting.worst, self.limits.item_cap)

    def _admits(self, waiting: Waiting) -> bool:
        if not self.ledger.admits(waiting.worst):
            return False
        return waiting.run.begun or self.ledger.admits_item(self.need(waiting) - waiting.run.money.spent)

    def need(self, waiting: Waiting) -> int:
        """What the item of a call may take in all."""
        return waiting.run.money.expect(waiting.worst, waiting.run.calls_left, self.largest_item)

    def cap_for(self, waiting: Waiting) -> int:
        """The least cap that would let this call go when nothing is on its way."""
        ledger = self.ledger
        if waiting.run.begun:
            return ledger.committed + waiting.worst
        rest = self.need(waiting) - waiting.run.money.spent
        return ledger.settled + ledger.unknown + max(ledger.promised, ledger.held) + rest

    def _take(self, bucket: BucketState, waiting: Waiting) -> Waiting:
        if self.over_item_cap(waiting):
            waiting.blocked = True
            return waiting
        run = waiting.run
        before = run.money.remaining if run.begun else 0
        run.money.need = self.need(waiting)
        run.money.held += waiting.worst
        run.begun_now = not run.begun
        run.begun = True
        self.ledger.promised += run.money.remaining - before
        self.ledger.hold(waiting.worst)
        waiting.held = waiting.worst
        self.in_flight += 1
        bucket.pace.take(waiting.tokens)
        bucket.breaker.take()
        if waiting.retrying:
            self.budget.take()
        else:
            self.budget.on_first_attempt()
        waiting.retrying = False
        return waiting

    def settle(self, waiting: Waiting, *, cost: int | None, unknown: bool = False) -> bool:
        """Money of an ended attempt: a cost, or released, or unknown. False: it cost more than its bound."""
        money = waiting.run.money
        before = money.remaining
        money.held -= waiting.held
        money.spent += waiting.held if unknown else cost or 0
        within = self.land(waiting.held, cost=cost, unknown=unknown)
        self.ledger.promised += money.remaining - before
        waiting.held = 0
        return within

    def land(self, held: int, *, cost: int | None, unknown: bool = False) -> bool:
        """The same for an attempt that no live item has asked for: the batch's own money only."""
        self.in_flight -= 1
        if unknown:
            self.ledger.lose(held)
        elif cost is None:
            self.ledger.release(held)
        else:
            return self.ledger.settle(held, cost)
        return True

    def take_up(self, run: ItemRun) -> None:
        """An item went live whose attempts lie in jobs: it is begun, and what it may still need is promised."""
        if run.money.held and not run.begun:
            run.begun = True
            self.ledger.promised += run.money.remaining

    def end_item(self, remaining: int, *, begun: bool, spent: int) -> None:
        """An item is over: what it did not need is free again."""
        if begun:
            self.ledger.promised -= remaining
        self.largest_item = max(self.largest_item, spent)

    def _retries_due(self, now_s: float) -> None:
        while self._later and self._later[0][0] <= now_s:
            if self._later[0][2].abandoned:
                heapq.heappop(self._later)
                continue
            wait = self.budget.wait_s(now_s)
            if wait:
                self._wake(now_s + wait)
                return
            waiting = heapq.heappop(self._later)[2]
            self.put(waiting, first=True)
        if self._later:
            self._wake(self._later[0][0])

    def _fail_over(self, bucket: BucketState) -> None:
        """While a model is down, its calls that name another go there."""
        if not bucket.down:
            return
        for queue in (bucket.begun, bucket.fresh):
            for waiting in [w for w in queue if len(w.endpoints) > 1]:
                other = next((e for e in waiting.endpoints if not self.bucket(e).down), None)
                if other is not None:
                    queue.remove(waiting)
                    waiting.aim(other)
                    self.put(waiting)

    def _wake(self, at_s: float) -> None:
        if at_s < FOREVER:
            self.wake_s = at_s if self.wake_s is None else min(self.wake_s, at_s)

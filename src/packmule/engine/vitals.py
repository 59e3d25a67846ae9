"""What a session shows of its own speed and cost: the facts from which views forecast its end and its bill.

Only items that were asked about in this session count: what a replay gives back says nothing of the pace. Paused time
is left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from packmule.core.durations import Sums
from packmule.core.live import MoneyFacts
from packmule.core.pulse import ActiveTime, Pulse, PulseFacts
from packmule.engine.item_run import ItemRun

LATENCIES = 256
P95 = 0.95


class Vitals:
    """One a session; monotonic seconds are given by the caller."""

    def __init__(self, now_s: float) -> None:
        self.time = ActiveTime(now_s)
        self._pulse = Pulse()
        self._costs = Sums()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    def answered(self, latency_s: float) -> None:
        """A call was answered."""
        self._latencies.append(latency_s)

    def ended(self, run: ItemRun, now_s: float) -> None:
        """An item came to its end."""
        if run.asked_s is None:
            return
        active_s = self.time.at(now_s)
        self._pulse.finished(active_s, max(0.0, active_s - run.asked_s))
        if run.state == "completed":
            # What was written off is the price of a lost answer, not of an item.
            self._costs.add(float(run.settled - run.written_off))

    def pulse(self, runs: Iterable[ItemRun], now_s: float) -> PulseFacts:
        """The pace, with the ages of the items on their way."""
        active_s = self.time.at(now_s)
        return self._pulse.facts(active_s, [active_s - run.asked_s for run in runs if run.asked_s is not None])

    @property
    def money(self) -> MoneyFacts:
        """What a completed item costs."""
        costs = self._costs
        return MoneyFacts(costs.count, costs.mean, costs.sd / costs.mean if costs.mean else 0.0)

    @property
    def percentiles(self) -> tuple[float | None, float | None]:
        """(p50, p95) of the latest calls, in seconds; None before there is one."""
        known = sorted(self._latencies)
        if not known:
            return None, None
        return known[len(known) // 2], known[min(len(known) - 1, int(len(known) * P95))]

"""When a running batch will be done: an honest range, or nothing.

Rules: nothing is said before eight items have ended (or one, and twenty seconds have passed), unless an earlier batch
gives a first guess, which this session's items soon outweigh. Items start at the throughput of the window, and the last
wave is counted item by item, because it does not run in parallel to its end. The range means to cover 80 % and covers
some 90 % in the simulator (`bench/eta.py`); it widens with the spread of the items, with a throughput that moves, and
when nothing ends.
Deliberately absent: foresight. A step change is seen when it happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from packmule.core.durations import ORDINARY_SD, SD_MAX, Durations, Sample, fit, spread
from packmule.core.pulse import FEW, KEPT, PulseFacts, group_sizes

Basis = Literal["session", "history"]

KNOWN_S = 20.0
Z80 = 1.2816
HISTORY_WEIGHT = 6.0  # an earlier batch counts as so many items
HISTORY_SD = 0.8
CAPACITY_SLACK = 1.3  # the mean duration is a guess, so the slots' capacity is one too
# Found in the simulator: how much caution makes the range cover what it says.
CAUTION = 1.1
SCARCE = 6.0
LEVEL_MIN = 0.04
LEVEL_MAX = 1.0
DRIFT_SHARE = 0.5
UPWARDS_SHARE = 0.7
UPWARDS_UNSURE = 1.5
UPWARDS_ITEMS = 10.0
STALL_HIGH = 4.0
HALVINGS = 30


class History(Struct, frozen=True):
    """What an earlier batch of the same recipe and model showed.

    item_s: mean seconds of an item's own work. slots: how many items were worked on at once, on the mean.
    """

    item_s: float
    slots: float


class Forecast(Struct, frozen=True):
    """Seconds until the last item ends; in eight of ten cases or more between `low_s` and `high_s`."""

    low_s: float
    likely_s: float
    high_s: float
    basis: Basis


class Group(Struct, frozen=True):
    """Items alike: so many, worked on for `age_s` already or to begin in `start_s`."""

    count: float
    age_s: float = 0.0
    start_s: float = 0.0

    def ended(self, durations: Durations, x_s: float) -> float:
        """The chance that `x_s` from now all of them have ended."""
        if x_s <= self.start_s:
            return 0.0
        return float(max(0.0, 1 - durations.still(self.age_s, x_s - self.start_s)) ** self.count)


def history_of(facts: PulseFacts) -> History | None:
    """What this session hands to the next batch like it; None when it saw too little."""
    if facts.finished < FEW or facts.mean_s <= 0 or facts.last_s <= 0:
        return None
    return History(facts.mean_s, max(1.0, facts.finished * facts.mean_s / facts.last_s))


def forecast(facts: PulseFacts, remaining: int, slots: int, history: History | None = None) -> Forecast | None:
    """The range for `remaining` items, those on their way among them, at most `slots` at once. None: estimating."""
    known = facts.finished >= FEW or (facts.finished > 0 and facts.active_s >= KNOWN_S)
    if not known and history is None:
        return None
    basis: Basis = "session" if known else "history"
    if remaining <= 0:
        return Forecast(0.0, 0.0, 0.0, basis)
    durations = _durations(facts, history)
    rate = _rate(facts, durations, slots, history)
    at_once = max(1, facts.in_flight, min(slots, round(rate * durations.mean_s)))
    queue = max(0, remaining - at_once)
    low, likely, high = _last_ends(facts, durations, _on_way(facts, remaining - queue) + _queued(facts, queue, rate))
    variance = CAUTION * min(math.expm1(SD_MAX**2), max(durations.variance, facts.cv**2))
    level = Z80 * _level(facts, variance, history)
    chance_s = Z80 * math.sqrt(variance * queue) / rate
    below_s = math.hypot(likely - low, -likely * math.expm1(-level), chance_s)
    above_s = math.hypot(high - likely, likely * math.expm1(level), chance_s)
    return Forecast(
        low_s=max(low * math.exp(-level), likely - below_s),
        likely_s=likely + facts.stall_s,
        high_s=likely + above_s + STALL_HIGH * facts.stall_s,
        basis=basis,
    )


def _durations(facts: PulseFacts, history: History | None) -> Durations:
    """Spread as all the session's items, at the pace of the latest; a history counts as a few items more."""
    sample = Sample(min(KEPT, facts.finished), facts.log_mean, facts.log_sd)
    if history is not None:
        log_mean = math.log(max(history.item_s, 1e-6)) - HISTORY_SD**2 / 2
        sample = sample.joined(Sample(HISTORY_WEIGHT, log_mean, HISTORY_SD))
    found = fit(sample, zip(facts.ages_s, group_sizes(facts.in_flight), strict=True))
    # While the first wave fills the window, later items are longer only because longer ones end later.
    trust = max(0.0, 1 - facts.in_flight / max(1, facts.window))
    log_mean = found.log_mean + trust * (facts.window_log_mean - facts.log_mean)
    return Durations(log_mean, found.log_sd, max(found.log_sd, min(SD_MAX, facts.log_sd_up)))


def _rate(facts: PulseFacts, durations: Durations, slots: int, history: History | None) -> float:
    """Items a second: as they ended in the window, and as those on their way will; never more than the slots can do."""
    items = float(facts.window)
    usual_s = facts.window_s / facts.window if facts.window else durations.mean_s
    seconds = facts.window_s + max(0.0, facts.idle_s - usual_s)
    if history is not None:
        items += HISTORY_WEIGHT
        seconds += HISTORY_WEIGHT * max(history.item_s, 1e-6) / max(1.0, min(slots, history.slots))
    rate = items / max(seconds, 1e-9)
    if facts.in_flight:
        share = facts.in_flight / (facts.in_flight + items)
        rate = float(rate ** (1 - share) * (facts.in_flight / durations.mean_s) ** share)
    return min(rate, CAPACITY_SLACK * max(1, slots, facts.in_flight) / durations.mean_s)


def _level(facts: PulseFacts, variance: float, history: History | None) -> float:
    """How far off the rate may be: the deviation of its logarithm."""
    items = facts.window + facts.in_flight + (HISTORY_WEIGHT if history is not None else 0.0)
    chance = variance * (1 + SCARCE / items) / items
    return min(LEVEL_MAX, math.sqrt(chance + (DRIFT_SHARE * facts.drift) ** 2 + LEVEL_MIN**2))


def _on_way(facts: PulseFacts, items: int) -> list[Group]:
    """Those on their way, at their ages; what is missing to `items` begins now."""
    share = min(1.0, items / max(1, facts.in_flight))
    groups = [
        Group(share * size, age_s) for age_s, size in zip(facts.ages_s, group_sizes(facts.in_flight), strict=True)
    ]
    fresh = items - facts.in_flight
    return [*groups, Group(fresh)] if fresh > 0 else groups


def _queued(facts: PulseFacts, items: int, rate: float) -> list[Group]:
    """One begins when one ends. Grouped from the last backwards: the earlier one begins, the less it matters."""
    groups = []
    left = items
    for size in group_sizes(items):
        start_s = (left - (size - 1) / 2) / rate - min(facts.idle_s, 1 / rate)
        groups.append(Group(size, start_s=start_s))
        left -= size
    return groups


def _last_ends(facts: PulseFacts, durations: Durations, groups: list[Group]) -> tuple[float, float, float]:
    """When all have ended: the tenth, the middle and the ninetieth percentile, at this rate.

    How much the slow side spreads is the least known: the low end trusts in none of it, the high end fears more.
    """
    sd, up = durations.log_sd, durations.log_sd_up
    unsure = 1 / math.sqrt(2 * (facts.finished + SCARCE))
    seen = max(facts.finished / 4, facts.finished - facts.in_flight)
    feared = (UPWARDS_ITEMS * ORDINARY_SD + seen * sd) / (UPWARDS_ITEMS + seen)
    narrow = spread(durations, 1 / (1 + unsure), sd / (1 + unsure))
    middle = spread(durations, 1.0, sd + UPWARDS_SHARE * (up - sd))
    wide = spread(durations, 1 + unsure, max(up, feared) * (1 + UPWARDS_UNSURE * unsure))
    likely = _all_ended(groups, middle, 0.5)
    return min(likely, _all_ended(groups, narrow, 0.1)), likely, max(likely, _all_ended(groups, wide, 0.9))


def _all_ended(groups: list[Group], durations: Durations, share: float) -> float:
    return _quantile(lambda x_s: math.prod(group.ended(durations, x_s) for group in groups), share, durations.mean_s)


def _quantile(reached: Callable[[float], float], share: float, start_s: float) -> float:
    """The seconds at which `reached`, which rises from 0 to 1, comes to `share`."""
    low, high = 0.0, start_s
    while reached(high) < share:
        low, high = high, high * 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < share else (low, middle)
    return high

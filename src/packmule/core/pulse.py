"""What a runner learns about its speed in this session, in bounded memory, and the facts a forecast is made of.

Rules: only items that were worked on in this session count (a replayed or filtered one says nothing of speed); paused
time is no time; the latest third of the items tells the throughput, the latest 512 how durations spread. A silence
that chance does not explain is a stall: while it lasts it is told apart, once it is over it is no part of any figure.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from statistics import NormalDist

from msgspec import Struct

from packmule.core.durations import Sums, sample_of

KEPT = 512
WINDOW_SHARE = 0.35
WINDOW_MIN = 16
WINDOW_MAX = 384
FEW = 8
SHORT_SHARE = 8  # a duration under this part of the mean counts as this part
SLOWEST = (3, 6)  # the third and sixth slowest speak for the slow side, each for at most an eighth of the items
SLOWEST_SHARE = 8
DRIFT_CHANCE = 3.0  # in variances of the ratio of two throughputs
# Silence is a stall beyond all of these: mean durations, mean gaps between ends, deviations above the mean duration.
QUIET_ITEMS = 1.5
QUIET_GAPS = 6.0
QUIET_SDS = 5.0


class PulseFacts(Struct, frozen=True):
    """How fast items end, for the live row. Seconds; `log_*` are of the natural logarithms of seconds.

    - finished, mean_s, cv: all items of the session. log_*: the latest 512; `log_sd_up` as the slowest show it.
    - active_s: now. last_s: the last end, silences left out. idle_s, stall_s: since then, by chance and beyond it.
    - window, window_s, window_log_mean: the items of the window, from the end before the first to the last end.
    - drift: how far throughput moved when the window began, beyond chance, as a logarithm.
    - ages_s: mean ages of those on their way, in groups of 1, 1, 2, 4, 8, ... items, the oldest first.
    """

    finished: int
    active_s: float
    last_s: float
    idle_s: float
    stall_s: float
    mean_s: float
    cv: float
    log_mean: float
    log_sd: float
    log_sd_up: float
    window: int
    window_s: float
    window_log_mean: float
    drift: float
    in_flight: int
    ages_s: tuple[float, ...]


@dataclass(slots=True)
class ActiveTime:
    """Seconds of a session with paused time left out. Times are monotonic seconds given by the caller."""

    began_s: float
    paused_s: float = 0.0
    since_s: float | None = None

    def pause(self, now_s: float) -> None:
        """Time stands still from here; a second pause changes nothing."""
        if self.since_s is None:
            self.since_s = now_s

    def unpause(self, now_s: float) -> None:
        """Time goes on."""
        if self.since_s is not None:
            self.paused_s += now_s - self.since_s
            self.since_s = None

    def at(self, now_s: float) -> float:
        """Active seconds until now."""
        return (now_s if self.since_s is None else self.since_s) - self.began_s - self.paused_s


@dataclass(slots=True)
class Pulse:
    """All items that ended, as sums, and the latest 512 as (active seconds at the end, seconds of work)."""

    seconds: Sums = field(default_factory=Sums)
    latest: deque[tuple[float, float]] = field(default_factory=lambda: deque([(0.0, 0.0)], KEPT + 1))
    silent_s: float = 0.0
    silence: tuple[float, float] = (0.0, 0.0)

    def finished(self, active_s: float, duration_s: float) -> None:
        """An item ended that was worked on for `duration_s` in this session."""
        _, stall_s = self._silence(active_s)
        if stall_s:
            self.silent_s += stall_s
            self.silence = active_s, stall_s
        until_s, length_s = self.silence
        stood_s = length_s if active_s - duration_s < until_s - length_s else 0.0
        self.seconds.add(max(0.0, duration_s - stood_s))
        self.latest.append((max(self.last_s, active_s - self.silent_s), max(0.0, duration_s - stood_s)))

    def facts(self, active_s: float, ages_s: Iterable[float]) -> PulseFacts:
        """As of now. `ages_s`: seconds each item on its way has been worked on, measured as durations are."""
        oldest_first = sorted(ages_s, reverse=True)
        window = min(self.kept, WINDOW_MAX, max(WINDOW_MIN, math.ceil(WINDOW_SHARE * self.seconds.count)))
        idle_s, stall_s = self._silence(active_s, len(oldest_first))
        logs = self._logs()
        sample = sample_of(logs)
        return PulseFacts(
            finished=self.seconds.count,
            active_s=active_s,
            last_s=self.last_s,
            idle_s=idle_s,
            stall_s=stall_s,
            mean_s=self.seconds.mean,
            cv=self.seconds.sd / self.seconds.mean if self.seconds.mean else 0.0,
            log_mean=sample.log_mean,
            log_sd=sample.log_sd,
            log_sd_up=_upwards(logs, sample.log_mean),
            window=window,
            window_s=self.last_s - self.latest[-1 - window][0],
            window_log_mean=sample_of(logs[-window:]).log_mean,
            drift=self._drift(window),
            in_flight=len(oldest_first),
            ages_s=_group_means([max(0.0, age_s - stall_s) for age_s in oldest_first]),
        )

    @property
    def kept(self) -> int:
        """How many items are known one by one."""
        return len(self.latest) - 1

    @property
    def last_s(self) -> float:
        """When the last item ended, in active seconds with silences left out."""
        return self.latest[-1][0]

    def _logs(self) -> list[float]:
        """Of the kept durations. What failed at once says little of the others: it is short, but not endlessly so."""
        floor_s = max(1e-6, self.seconds.mean / SHORT_SHARE)
        return [math.log(max(floor_s, duration_s)) for _, duration_s in islice(self.latest, 1, None)]

    def _silence(self, active_s: float, in_flight: int | None = None) -> tuple[float, float]:
        """Seconds since the last end: those that chance explains, and the rest, which is a stall."""
        idle_s = max(0.0, active_s - self.silent_s - self.last_s)
        if self.seconds.count < FEW:
            return idle_s, 0.0
        if idle_s <= QUIET_ITEMS * self.seconds.mean:
            return idle_s, 0.0
        mean_s, gap_s = self.seconds.mean, (self.last_s - self.latest[0][0]) / self.kept
        if in_flight is not None:
            gap_s = max(gap_s, mean_s / max(1, in_flight))
        slow_s = (mean_s + QUIET_SDS * self.seconds.sd) * (min(1.0, gap_s / mean_s) if mean_s else 1.0)
        quiet_s = max(QUIET_ITEMS * mean_s, QUIET_GAPS * gap_s, slow_s)
        return min(idle_s, quiet_s), max(0.0, idle_s - quiet_s)

    def _drift(self, window: int) -> float:
        """Of the window against the items before it."""
        before = min(window, self.kept - window)
        if before < FEW:
            return 0.0
        last_s, turn_s, first_s = (self.latest[-1 - n][0] for n in (0, window, window + before))
        if last_s <= turn_s or turn_s <= first_s:
            return 0.0
        moved = math.log((last_s - turn_s) / window) - math.log((turn_s - first_s) / before)
        return math.sqrt(max(0.0, moved * moved - DRIFT_CHANCE * (1 / window + 1 / before)))


def group_sizes(count: int) -> list[int]:
    """Groups of 1, 1, 2, 4, 8, ... that add up to `count`: few of them, and fine where it matters."""
    sizes: list[int] = []
    left = count
    while left > 0:
        sizes.append(min(left, max(1, count - left)))
        left -= sizes[-1]
    return sizes


def _upwards(logs: list[float], mean: float) -> float:
    """The deviation that the slowest speak for: how far above the mean they are, over how far they should be."""
    slowest, count = sorted(logs, reverse=True), len(logs)
    ranks = [rank for rank in SLOWEST if rank * SLOWEST_SHARE <= count]
    return max(((slowest[n - 1] - mean) / NormalDist().inv_cdf(1 - (n - 0.5) / count) for n in ranks), default=0.0)


def _group_means(values: list[float]) -> tuple[float, ...]:
    rest = iter(values)
    return tuple(sum(next(rest) for _ in range(size)) / size for size in group_sizes(len(values)))

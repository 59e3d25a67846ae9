"""How long an item takes, as a log-normal: learned from items that ended and from those still on their way.

Rules: an item on its way is no sample, it only says "longer than this" (the first to end are the short ones, and to
count them alone promises too much); a few samples are drawn towards an ordinary spread; the slow side may spread more
than the fast one, because retried items are slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import Struct

ORDINARY_SD = 0.7
ORDINARY_WEIGHT = 4.0
SD_MIN = 0.05
SD_MAX = 2.0
FAR = 6.0
STEPS = 25


class Durations(Struct, frozen=True):
    """Seconds of an item's own work: mean and deviation of the logarithm, and the deviation above the median."""

    log_mean: float
    log_sd: float
    log_sd_up: float

    @property
    def mean_s(self) -> float:
        """The mean, which lies above the median."""
        return math.exp(self.log_mean + self.log_sd**2 / 2)

    @property
    def variance(self) -> float:
        """As a share of the squared mean."""
        return math.expm1(self.log_sd**2)

    def longer(self, x_s: float) -> float:
        """The share of items that take longer than this."""
        if x_s <= 0:
            return 1.0
        beyond = math.log(x_s) - self.log_mean
        return _above(beyond / (self.log_sd_up if beyond > 0 else self.log_sd))

    def still(self, age_s: float, x_s: float) -> float:
        """The chance that an item that has worked for `age_s` needs more than `x_s` from now."""
        reached = self.longer(age_s)
        if reached < _above(FAR):
            # Beyond all experience: what has lasted so long may last as long again.
            return age_s / (age_s + x_s)
        return self.longer(age_s + x_s) / reached


@dataclass(slots=True)
class Sums:
    """Mean and deviation of numbers that are not kept, counted in one by one without losing digits."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    @property
    def sd(self) -> float:
        """Zero before there are two."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


class Sample(Struct, frozen=True):
    """So many logarithms of seconds, with their mean and deviation."""

    count: float
    log_mean: float
    log_sd: float

    def joined(self, other: Sample) -> Sample:
        """Both together."""
        count = self.count + other.count
        mean = (self.count * self.log_mean + other.count * other.log_mean) / count
        squares = sum(part.count * (part.log_sd**2 + (part.log_mean - mean) ** 2) for part in (self, other))
        return Sample(count, mean, math.sqrt(squares / count))


def sample_of(logs: Sequence[float]) -> Sample:
    """Of these logarithms; all zero when there are none."""
    mean = sum(logs) / max(1, len(logs))
    return Sample(len(logs), mean, math.sqrt(sum((log - mean) ** 2 for log in logs) / max(1, len(logs))))


def fit(sample: Sample, on_way: Iterable[tuple[float, float]]) -> Durations:
    """The likeliest durations. `on_way`: (age in seconds, how many) of items that have not ended.

    Expectation and maximisation in turn: an item on its way counts as what it will likely come to.
    """
    mean, sd = sample.log_mean, _bounded(sample.log_sd)
    known = [(math.log(age_s), count) for age_s, count in on_way if age_s > 0]
    total = sample.count + sum(count for _, count in known)
    for _ in range(STEPS):
        ends = [(*_end_of(log, mean, sd), count) for log, count in known]
        mean = (sample.count * sample.log_mean + sum(count * end for end, _, count in ends)) / total
        squares = sample.count * (sample.log_sd**2 + (sample.log_mean - mean) ** 2)
        squares += sum(count * (variance + (end - mean) ** 2) for end, variance, count in ends)
        squares += ORDINARY_WEIGHT * ORDINARY_SD**2
        sd = _bounded(math.sqrt(squares / (total + ORDINARY_WEIGHT)))
    return Durations(mean, sd, sd)


def spread(durations: Durations, more: float, upwards: float) -> Durations:
    """The same median with other deviations, kept within reason."""
    return Durations(durations.log_mean, _bounded(durations.log_sd * more), _bounded(upwards))


def _end_of(log: float, mean: float, sd: float) -> tuple[float, float]:
    """Mean and variance of a logarithm that is known to lie above `log`."""
    z = (log - mean) / sd
    hazard = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / _above(z) if z < FAR else z + 1 / z
    return mean + sd * hazard, max(0.0, sd * sd * (1 + hazard * (z - hazard)))


def _above(z: float) -> float:
    """The share of a normal distribution above `z` deviations."""
    return math.erfc(z / math.sqrt(2)) / 2


def _bounded(sd: float) -> float:
    return min(SD_MAX, max(SD_MIN, sd))

"""Is the forecast of the end honest? Simulated batches, asked at 10, 30, 50 and 80 % done, judged by when they ended.

An item takes a log-normal time with a median of 5 s; 4 % of the items are retried: their time again, after a wait of
5 s. Items take slots in order, as in a run; the pulse is told of each end, exactly as a runner tells it.

    covered   share of batches that ended within the range; 80 % is the aim
    error     median of |likely - real| / real
    range     median of high / low
    naive     the error of the estimate that most tools print: mean of the last five durations x items left

The bars are for 400 seeds: fewer say too little of a share. `--short` is the main case alone, with all its seeds.

    python bench/eta.py [--seeds 400] [--short]
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packmule.core.eta import Forecast, forecast
from packmule.core.pulse import Pulse

MEDIAN_S = 5.0
RETRY_WAIT_S = 5.0
RETRIED = 0.04
DONE = (10, 30, 50, 80)
COVERED_MIN, COVERED_MAX = 75, 93
ERROR_MAX = 18


@dataclass(frozen=True)
class Case:
    """What is simulated; `pace` says how much longer an item takes, by its place in the batch (0 to 1)."""

    items: int = 200
    slots: int = 8
    sigma: float = 0.8
    pace: Callable[[float], float] = lambda _: 1.0


@dataclass(frozen=True)
class Asked:
    """One forecast and what came of it."""

    done: int
    forecast: Forecast | None
    real_s: float
    naive_s: float


@dataclass(frozen=True)
class Score:
    """All of one case at one share done; percentages."""

    covered: float
    error: float
    width: float
    naive: float


def durations(case: Case, chance: random.Random) -> list[float]:
    """Seconds of each item's own work."""
    found = []
    for n in range(case.items):
        once_s = MEDIAN_S * math.exp(chance.gauss(0, case.sigma)) * case.pace(n / case.items)
        found.append(2 * once_s + RETRY_WAIT_S if chance.random() < RETRIED else once_s)
    return found


def ends(took_s: list[float], slots: int) -> Iterator[tuple[float, float, list[float]]]:
    """(now, the duration of the item that ended, ages of those on their way then)."""
    waiting = iter(took_s)
    on_way = [(duration_s, 0.0) for duration_s, _ in zip(waiting, range(slots), strict=False)]
    waiting = iter(took_s[len(on_way) :])
    heapq.heapify(on_way)
    while on_way:
        now_s, began_s = heapq.heappop(on_way)
        following_s = next(waiting, None)
        if following_s is not None:
            heapq.heappush(on_way, (now_s + following_s, now_s))
        yield now_s, now_s - began_s, [now_s - began for _, began in on_way]


def simulate(case: Case, seed: int) -> list[Asked]:
    """One batch from start to end."""
    pulse, last_five, asked = Pulse(), [], []
    moments = {round(case.items * done / 100): done for done in DONE}
    now_s = 0.0
    for count, (now_s, duration_s, ages_s) in enumerate(ends(durations(case, random.Random(seed)), case.slots), 1):
        pulse.finished(now_s, duration_s)
        last_five = [*last_five[-4:], duration_s]
        if count in moments:
            left = case.items - count
            told = forecast(pulse.facts(now_s, ages_s), left, case.slots)
            asked.append((moments[count], told, now_s, statistics.fmean(last_five) * left))
    return [Asked(done, told, now_s - at_s, naive_s) for done, told, at_s, naive_s in asked]


def score(case: Case, seeds: int) -> dict[int, Score | None]:
    """Many batches; None where most of them were still estimating."""
    asked = [one for seed in range(seeds) for one in simulate(case, seed)]
    scores: dict[int, Score | None] = {}
    for done in DONE:
        here = [one for one in asked if one.done == done]
        told = [(one.forecast, one) for one in here if one.forecast is not None]
        scores[done] = None if 2 * len(told) < len(here) else _score(told)
    return scores


def _score(told: list[tuple[Forecast, Asked]]) -> Score:
    return Score(
        covered=100 * statistics.fmean(f.low_s <= one.real_s <= f.high_s for f, one in told),
        error=100 * statistics.median(abs(f.likely_s - one.real_s) / one.real_s for f, one in told),
        width=statistics.median(f.high_s / max(f.low_s, 1e-3) for f, _ in told),
        naive=100 * statistics.median(abs(one.naive_s - one.real_s) / one.real_s for _, one in told),
    )


def show_main(title: str, scores: dict[int, Score | None]) -> None:
    """One case, a line a moment."""
    print(f"{title}\n    done   covered    error    range      naive")
    for done, found in scores.items():
        if found is None:
            print(f"    {done:3} %   estimating")
        else:
            told = f"{found.covered:5.0f} %  {found.error:5.0f} %   {found.width:5.1f}x  {found.naive:7.0f} %"
            print(f"    {done:3} %   {told}")
    print()


def show_others(seeds: int) -> None:
    """Other spreads, slots and sizes, a line a case."""
    head = "".join(f"{f'{done} % done':>14}" for done in DONE)
    print(f"Other batches: covered / error, in per cent\n    sigma  slots  items {head}")
    for sigma in (0.3, 0.8, 1.2):
        for slots in (1, 8, 64):
            for items in (40, 200, 2000):
                case = Case(items, slots, sigma)
                scores = score(case, seeds if items < 1000 else seeds // 3)
                cells = (f"{one.covered:.0f} / {one.error:.0f}" if one else "estimating" for one in scores.values())
                print(f"    {sigma:5}  {slots:5}  {items:5} " + "".join(f"{cell:>14}" for cell in cells), flush=True)
    print()


def judge(scores: dict[int, Score | None]) -> bool:
    """Do the promises hold in the main case?"""
    held = True
    for done in (30, 50, 80):
        found = scores[done]
        good = found is not None and COVERED_MIN <= found.covered <= COVERED_MAX
        print(f"{'ok    ' if good else 'MISSED'}  at {done} % done the range covers {COVERED_MIN} to {COVERED_MAX} %")
        held = held and good
    half = scores[50]
    good = half is not None and half.error <= ERROR_MAX
    print(f"{'ok    ' if good else 'MISSED'}  at 50 % done the median error is at most {ERROR_MAX} %")
    return held and good


def main() -> int:
    """Print the tables, and 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--short", action="store_true", help="the main case and its bars only")
    options = parser.parse_args()
    seeds = options.seeds
    main_case = score(Case(), seeds)
    show_main(f"200 items, 8 slots, sigma 0.8, {seeds} seeds", main_case)
    if not options.short:
        step, glide = Case(pace=lambda place: 1.0 + (place >= 0.5)), Case(pace=lambda place: 1 + place)
        show_main("The same, every item twice as slow from the middle on (nobody foresees it)", score(step, seeds))
        show_main("The same, slowing down steadily to twice the time", score(glide, seeds))
        show_others(max(30, seeds // 2))
    return 0 if judge(main_case) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The cap holds after every commit, by 64 lanes and whatever the provider reports."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Fault, Usage
from packmule.core.group import Group
from packmule.core.money import flat
from packmule.store import BatchJournal, batches, reads
from packmule.testing import ScriptedEndpoint, SimClock
from tests.engine.harness import Bench, one_call, three_calls

SEEDS = range(400 if os.environ.get("PACKMULE_PROOF") else 25)
PRICE = flat(1_000, 10_000, "test")


class Watched(BatchJournal):
    """Reads the totals after every commit, and keeps the highest."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.store, bench.batch)
        self.bench = bench
        self.highest = 0

    def commit(self, epoch: int, group: Group) -> int:
        rev = super().commit(epoch, group)
        row = self.bench.row
        self.highest = max(self.highest, row.settled + row.unknown + row.held)
        return rev


def adversary(seed: int, *, above: float = 0.0) -> Any:
    """A provider that reports whatever it likes, within its bound unless `above`."""

    def make(clock: SimClock) -> list[ScriptedEndpoint]:
        chance = random.Random(seed)

        def say(text: str, nth: int) -> Any:
            del nth
            kind = chance.random()
            size = len(text)
            if kind < 0.1:
                return Fault("timeout", "unknown", "no answer in time")
            if kind < 0.15:
                return Fault("rate_limit", "rejected", "429", retry_after_s=chance.choice([0.0, 1.0, 30.0]))
            if kind < 0.2:
                return Fault("server_error", "unknown", "500")
            if kind < 0.3:
                return "fine", None
            if above and kind > 1 - above:
                return "fine", Usage(10**6, 10**6)
            return "fine", Usage(chance.randint(1, size + 60), chance.randint(1, 100))

        return [ScriptedEndpoint(clock, say, price=PRICE, latency_s=lambda: chance.lognormvariate(0, 1))]

    return make


@pytest.mark.parametrize("seed", SEEDS)
def test_no_overshoot_and_little_left_whatever_is_reported(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cap = chance.randint(3, 40) * 10**6
    recipe = chance.choice([one_call, three_calls])
    recipe.calls_max = 1 if recipe is one_call else 3  # type: ignore[attr-defined]
    limits = Limits(max_cost=cap, concurrency=chance.choice([1, 7, 64]), retry_count=1)
    bench = Bench(tmp_path, recipe, [f"text {n}" for n in range(120)], limits)
    journal = Watched(bench)
    ending = bench.run(adversary(seed), seed=seed, journal=journal)
    bench.check_books()
    row = bench.row
    assert journal.highest <= cap
    assert ending.reason in {"budget", "done"}
    if ending.reason == "budget":
        # One item may need at most three calls of the longest prompt and a hundred tokens out each.
        need = 3 * (400 * 1_000 + 100 * 10_000)
        assert cap - row.settled - row.unknown - row.held < need
        half_made = [r for r in reads.results(bench.store, bench.batch) if r.state == "pending" and r.attempts]
        assert len(half_made) <= 2 * limits.concurrency


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_usage_above_the_bound_is_recorded_as_reported_and_stops_the_batch(tmp_path: Path, seed: int) -> None:
    limits = Limits(max_cost=10**12, concurrency=8, retry_count=9)
    bench = Bench(tmp_path, one_call, [f"text {n}" for n in range(200)], limits)
    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        made.extend(adversary(seed, above=0.05)(clock))
        return made

    ending = bench.run(endpoints, seed=seed)
    assert ending.reason == "overrun"
    assert "above its worst case" in ending.detail
    row = bench.row
    assert made[0].billed <= row.settled + row.unknown
    assert row.settled >= 10**6 * 1_000
    bench.check_books()


def test_a_higher_cap_goes_on_where_the_money_ended_and_bills_nothing_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"text {n}" for n in range(60)], Limits(max_cost=5 * 10**6, concurrency=4))
    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        fresh = ScriptedEndpoint(clock, price=PRICE)
        if made:
            fresh.bill, fresh.sent = made[0].bill, made[0].sent
        made.append(fresh)
        return [fresh]

    assert bench.run(endpoints).reason == "budget"
    done = bench.row.completed
    assert 0 < done < 60
    batches.set_limits(bench.store, bench.row, Limits(max_cost=10**12, concurrency=4), 0, "test")
    assert bench.run(endpoints).reason == "done"
    assert set(made[0].sent.values()) == {1}
    assert made[0].billed == bench.row.settled
    bench.check_books()


def test_a_warning_cap_never_refuses(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(20)], Limits(max_cost=10**6, on_budget="warn"))
    assert bench.run(lambda clock: [ScriptedEndpoint(clock, price=PRICE)]).reason == "done"
    assert bench.row.settled > 10**6


def test_an_item_over_its_own_cap_is_blocked_with_what_it_cost(tmp_path: Path) -> None:
    limits = Limits(item_cap=2_500_000, concurrency=4)
    bench = Bench(tmp_path, three_calls, [f"text {n}" for n in range(6)], limits)
    ending = bench.run(lambda clock: [ScriptedEndpoint(clock, lambda *_: ("x", Usage(60, 90)), price=PRICE)])
    assert ending.reason == "done"
    assert bench.row.blocked == 6
    for result in reads.results(bench.store, bench.batch):
        assert result.state == "blocked"
        assert result.reason is not None
        assert result.reason.startswith("item cap")
        assert 0 < result.cost <= 2_500_000
    bench.check_books()


def test_unknown_money_near_the_cap_survives_a_restart(tmp_path: Path) -> None:
    limits = Limits(max_cost=5 * 10**6, concurrency=4, on_unknown="hold")
    bench = Bench(tmp_path, one_call, [f"text {n}" for n in range(30)], limits)

    def lossy(clock: SimClock) -> list[ScriptedEndpoint]:
        return [ScriptedEndpoint(clock, lambda *_: Fault("timeout", "unknown", "late"), price=PRICE)]

    bench.run(lossy)
    before = bench.row.unknown
    assert 0 < before <= 5 * 10**6
    assert bench.row.state == "stopped"
    ending = bench.run(lambda clock: [ScriptedEndpoint(clock, price=PRICE)])
    row = bench.row
    assert ending.reason == "budget"
    assert row.unknown >= before
    assert row.settled + row.unknown <= 5 * 10**6
    bench.check_books()


def test_written_off_money_is_settled_and_the_sums_still_agree(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"text {n}" for n in range(5)], Limits(on_unknown="hold"))
    bench.run(lambda clock: [ScriptedEndpoint(clock, lambda *_: Fault("reset", "unknown", "gone"), price=PRICE)])
    owed = bench.row.unknown
    assert owed > 0
    assert len(reads.unknown(bench.store, bench.batch)) == 5
    assert batches.write_off(bench.store, bench.row, 0) == owed
    assert bench.row.unknown == 0
    assert bench.row.settled == owed
    bench.check_books()


def test_an_item_that_lacks_one_call_is_finished_with_the_money_of_one_call(tmp_path: Path) -> None:
    three_calls.calls_max = 3  # type: ignore[attr-defined]
    answers = iter(["one", "two", Fault("auth", "rejected", "the key is gone")])

    def two_and_no_more(clock: SimClock) -> list[ScriptedEndpoint]:
        return [ScriptedEndpoint(clock, lambda *_: next(answers), price=PRICE)]

    bench = Bench(tmp_path, three_calls, ["a text"], Limits(concurrency=1))
    assert bench.run(two_and_no_more).reason == "auth"
    spent = bench.row.settled
    # The last call's body is 140 bytes at most, its answer 100 tokens.
    last = 140 * 1_000 + 100 * 10_000
    batches.set_limits(bench.store, bench.row, Limits(max_cost=spent + last, concurrency=1), 0, "test")
    assert bench.run(lambda clock: [ScriptedEndpoint(clock, price=PRICE)]).reason == "done"
    assert bench.row.completed == 1


@pytest.mark.parametrize("bound", [-(10**6), 0, 2.5, True])
def test_a_bound_that_is_no_count_never_widens_the_cap(tmp_path: Path, bound: Any) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        return await ask(item["text"], max_output_tokens=bound)

    bench = Bench(tmp_path, recipe, [f"text {n}" for n in range(4)], Limits(max_cost=10**6))
    assert bench.run(adversary(1)).reason == "done"
    assert (bench.row.failed, bench.row.attempts, bench.row.unknown) == (4, 0, 0)
    bench.check_books()

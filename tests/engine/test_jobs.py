"""Jobs mode on virtual time: no job lost, none made twice, every row to its call, whatever the provider does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Fault
from packmule.core.endings import Ending
from packmule.core.group import Group
from packmule.core.jobs import JobLimits
from packmule.core.money import discounted, flat
from packmule.engine.runner import Runner
from packmule.store import BatchJournal, reads
from packmule.testing import JobHouse, ScriptedEndpoint, ScriptedJobs, SimClock
from tests.engine.harness import Bench, one_call, three_calls

EVERY = 1 if os.environ.get("PACKMULE_PROOF") else 4
PRICE = flat(250_000, 2_000_000, "scripted")
UNMARKED = JobLimits(100_000, 256 * 2**20, 86_400.0, 29 * 86_400.0, marked=False)


def house(**settings: Any) -> JobHouse:
    return JobHouse(PRICE, **settings)


def bench_of(tmp_path: Path, items: int, recipe: Any = one_call, **limits: Any) -> Bench:
    wanted = {"mode": "jobs", "items_per_job": 10, "max_parallel_jobs": 3, **limits}
    return Bench(tmp_path, recipe, [f"text {n}" for n in range(items)], Limits(**wanted))


def at(place: JobHouse, down: Callable[[], bool] = lambda: False) -> Callable[[SimClock], list[ScriptedEndpoint]]:
    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        endpoint = ScriptedEndpoint(clock, price=PRICE)
        endpoint.jobs_face = ScriptedJobs(place, clock, down=down)
        return [endpoint]

    return endpoints


class Killed(BaseException):
    """The process ends here."""


class Dying(BatchJournal):
    """Dies at the nth commit: before it is durable, or after it and before anyone is told."""

    def __init__(self, bench: Bench, nth: int, *, after: bool) -> None:
        super().__init__(bench.store, bench.batch)
        self.left, self.after = nth, after

    def commit(self, epoch: int, group: Group) -> int:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        rev = super().commit(epoch, group)
        if self.left == 0:
            raise Killed
        return rev


@pytest.mark.parametrize(("items", "jobs"), [(0, 0), (1, 1), (9, 1), (10, 1), (11, 2), (100, 10)])
def test_items_fill_as_few_jobs_as_they_can(tmp_path: Path, items: int, jobs: int) -> None:
    place, bench = house(), bench_of(tmp_path, items)
    assert bench.run(at(place)).reason == "done"
    assert place.creates == place.files == jobs
    assert bench.row.completed == items
    assert max((len(job.lines) for job in place.jobs.values()), default=0) <= 10
    assert bench.row.settled == place.billed
    bench.check_books()
    answers = [result.output for result in reads.results(bench.store, bench.batch)]
    assert [bytes(answer or b"") for answer in answers] == [f'"answer to text {n}"'.encode() for n in range(items)]


def test_three_calls_take_three_rounds_of_jobs_at_the_price_of_jobs(tmp_path: Path) -> None:
    place, bench = house(), bench_of(tmp_path, 30, three_calls)
    assert bench.run(at(place)).reason == "done"
    assert place.creates == 9
    assert bench.row.settled == place.billed > 0
    attempts = reads.journal(bench.store, bench.batch, 0).attempts
    assert all(attempt.job and attempt.cost == cost_at_half(attempt) for attempt in attempts)


def cost_at_half(attempt: Any) -> int:
    price = discounted(PRICE, (1, 2))
    return int(price.input[0][1] * attempt.tokens_in + price.output[0][1] * attempt.tokens_out)


def test_no_more_jobs_are_open_than_allowed(tmp_path: Path) -> None:
    place, bench = house(), bench_of(tmp_path, 100)
    most = 0

    async def watch(runner: Runner) -> None:
        nonlocal most
        while True:
            most = max(most, len(runner.jobs.states))
            await runner.world.clock.sleep(0.3)

    assert bench.run(at(place), steer=watch).reason == "done"
    assert most == 3


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("recipe", [one_call, three_calls])
def test_killed_at_any_commit_no_job_is_made_twice_and_no_item_is_lost(
    tmp_path: Path, recipe: Any, marked: bool, uploads: bool
) -> None:
    limits = JobLimits(1000, 2**20, 86_400.0, 30 * 86_400.0, uploads=uploads, marked=marked)
    for nth in range(1, 60, EVERY):
        for after in (False, True):
            folder = tmp_path / f"{nth}-{after}"
            place = house(limits=limits, duration_s=50.0)
            bench = bench_of(folder, 7, recipe, items_per_job=3, max_parallel_jobs=2)
            try:
                bench.run(at(place), journal=Dying(bench, nth, after=after), seed=nth)
            except Killed:
                pass
            else:
                return
            assert bench.run(at(place), seed=nth).reason == "done"
            assert bench.row.completed == 7
            assert max(place.asked.values()) == 1, (nth, after)
            assert bench.row.settled == place.billed
            bench.check_books()


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("lag_s", [0.0, 200.0])
def test_a_job_whose_making_was_not_answered_is_found_and_not_made_again(
    tmp_path: Path, marked: bool, lag_s: float
) -> None:
    limits = JobLimits(1000, 2**20, 86_400.0, 30 * 86_400.0, marked=marked)
    place = house(limits=limits, lose=lambda nth: nth == 1, lag_s=lag_s)
    bench = bench_of(tmp_path, 30)
    assert bench.run(at(place)).reason == "done"
    assert place.creates == 3
    assert max(place.asked.values()) == 1
    assert bench.row.settled == place.billed


def test_a_search_that_cannot_look_says_so_and_goes_on(tmp_path: Path) -> None:
    place = house(lose=lambda nth: nth == 0)
    bench = bench_of(tmp_path, 5)

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        return at(place, lambda: place.creates > 0 and clock.now_s() < 400)(clock)

    assert bench.run(endpoints).reason == "done"
    assert place.creates == 1
    said = [data.get("reason") for _, _, kind, data in reads.events(bench.store, bench.batch) if kind == "job"]
    assert said.count("cannot look for the job: down") == 1


def test_a_job_that_never_reached_its_provider_is_made_after_the_quarantine(tmp_path: Path) -> None:
    place = house()
    bench = bench_of(tmp_path, 10)

    class Deaf(ScriptedJobs):
        deaf = True

        async def create(self, marker: str, body: bytes, file: str | None) -> Any:
            if Deaf.deaf:
                Deaf.deaf = False
                return Fault("timeout", "unknown", "no answer")
            return await super().create(marker, body, file)

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        endpoint = ScriptedEndpoint(clock, price=PRICE)
        endpoint.jobs_face = Deaf(place, clock)
        return [endpoint]

    assert bench.run(endpoints).reason == "done"
    assert place.creates == 1
    assert bench.later_s > 900
    assert bench.row.completed == 10


def test_a_stop_leaves_jobs_at_their_provider_and_the_next_session_fetches_them(tmp_path: Path) -> None:
    place, bench = house(duration_s=10_000.0), bench_of(tmp_path, 60)

    async def stop(runner: Runner) -> None:
        await runner.world.clock.sleep(100)
        runner.stop(Ending("stopped", "person"))

    ending = bench.run(at(place), steer=stop)
    assert ending.reason == "person"
    assert bench.later_s < 140
    row = bench.row
    assert (row.completed, row.pending, place.creates) == (0, 60, 3)
    assert row.held > 0
    assert row.unknown == 0
    assert bench.run(at(place)).reason == "done"
    assert place.creates == 6
    assert max(place.asked.values()) == 1
    assert bench.row.settled == place.billed
    assert bench.row.held == 0


def test_a_job_that_its_provider_forgot_is_unknown_money_and_its_calls_are_made_again(tmp_path: Path) -> None:
    place, bench = house(duration_s=10_000.0), bench_of(tmp_path, 10)

    async def stop(runner: Runner) -> None:
        await runner.world.clock.sleep(100)
        runner.stop(Ending("stopped", "person"))

    bench.run(at(place), steer=stop)
    held, place.jobs, place.duration_s = bench.row.held, {}, 100.0
    assert held > 0
    assert bench.run(at(place)).reason == "done"
    assert bench.row.completed == 10
    assert (bench.row.held, bench.row.unknown) == (0, held)
    assert place.billed == bench.row.settled
    bench.check_books()
    # A provider that cannot be asked has forgotten nothing.
    place, bench = house(duration_s=1_000.0), bench_of(tmp_path / "down", 10)
    gone = True

    async def wait(runner: Runner) -> None:
        nonlocal gone
        await runner.world.clock.sleep(900)
        gone = False

    assert bench.run(at(place, down=lambda: gone and place.creates > 0), steer=wait).reason == "done"
    assert (place.creates, bench.row.unknown) == (1, 0)


def test_a_cancel_ends_the_jobs_too_and_keeps_what_was_done(tmp_path: Path) -> None:
    place, bench = house(duration_s=10_000.0), bench_of(tmp_path, 60)

    async def cancel(runner: Runner) -> None:
        await runner.world.clock.sleep(100)
        runner.stop(Ending("cancelled", "cancelled"))

    assert bench.run(at(place), steer=cancel).state == "cancelled"
    row = bench.row
    assert (row.completed, row.cancelled) == (15, 45)
    assert row.held == row.unknown == 0
    assert row.settled == place.billed > 0


def test_a_cancel_in_a_later_session_gives_the_items_their_answers_too(tmp_path: Path) -> None:
    place, bench = house(duration_s=10_000.0), bench_of(tmp_path, 60)

    async def stop(runner: Runner) -> None:
        await runner.world.clock.sleep(100)
        runner.stop(Ending("stopped", "person"))

    async def cancel(runner: Runner) -> None:
        runner.stop(Ending("cancelled", "cancelled"))

    bench.run(at(place), steer=stop)
    assert bench.run(at(place), steer=cancel).state == "cancelled"
    row = bench.row
    assert (row.completed, row.cancelled) == (15, 45)
    assert row.held == row.unknown == 0
    assert row.settled == place.billed > 0


def test_what_expired_is_not_billed_and_goes_again(tmp_path: Path) -> None:
    place = house(duration_s=200.0, expires_s=100.0)
    bench = bench_of(tmp_path, 8)

    async def mend(runner: Runner) -> None:
        await runner.world.clock.sleep(50)
        place.duration_s = 50.0 if place.creates > 1 else 200.0
        while place.creates < 2:
            await runner.world.clock.sleep(1)
        place.duration_s = 50.0

    assert bench.run(at(place), steer=mend).reason == "done"
    assert bench.row.completed == 8
    assert bench.row.settled == place.billed
    assert bench.row.unknown == 0


@pytest.mark.parametrize("names", [True, False])
def test_one_bad_line_is_found_and_fails_alone(tmp_path: Path, names: bool) -> None:
    place = house(refuses=lambda text: text == "text 13", names=names)
    bench = bench_of(tmp_path, 30)
    assert bench.run(at(place)).reason == "done"
    assert (bench.row.completed, bench.row.failed) == (29, 1)
    failed = [result for result in reads.results(bench.store, bench.batch) if result.state == "failed"]
    assert [result.key for result in failed] == ["14"]
    assert "a line is bad" in (failed[0].reason or "")
    assert bench.row.settled == place.billed
    assert place.creates <= (4 if names else 12)


def test_rows_that_are_missing_are_unknown_and_asked_again(tmp_path: Path) -> None:
    lost = {"text 3", "text 4"}
    place = house(missing=lambda text: text in lost)
    bench = bench_of(tmp_path, 10)

    async def mend(runner: Runner) -> None:
        while place.creates < 2:
            await runner.world.clock.sleep(1)
        lost.clear()

    assert bench.run(at(place), steer=mend).reason == "done"
    assert bench.row.completed == 10
    assert bench.row.unknown > 0
    assert bench.row.settled < place.billed <= bench.row.settled + bench.row.unknown
    kinds = [kind for _, _, kind, _ in reads.events(bench.store, bench.batch)]
    assert "foreign" in kinds


def test_a_provider_that_is_down_for_hours_loses_nothing(tmp_path: Path) -> None:
    place = house()
    bench = bench_of(tmp_path, 30)
    clocks: list[SimClock] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        clocks.append(clock)
        return at(place, lambda: 2 < clock.now_s() < 7200)(clock)

    assert bench.run(endpoints).reason == "done"
    assert bench.row.completed == 30
    assert max(place.asked.values()) == 1
    assert bench.row.settled == place.billed


def test_a_cap_holds_in_jobs_and_ends_without_a_deadlock(tmp_path: Path) -> None:
    place = house()
    bench = bench_of(tmp_path, 100, items_per_job=20, max_cost=60 * 10_375_000)

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        endpoint = ScriptedEndpoint(clock, price=PRICE, tokens_out_max=10)
        endpoint.jobs_face = ScriptedJobs(place, clock)
        return [endpoint]

    ending = bench.run(endpoints)
    assert ending.reason == "budget"
    row = bench.row
    assert 55 <= row.completed <= 60
    assert row.settled == place.billed <= 60 * 10_375_000
    assert row.held == 0
    assert place.creates <= 8
    assert bench.run(endpoints).reason == "budget"


def test_a_recipes_own_timeout_leaves_the_job_and_its_bill_is_kept(tmp_path: Path) -> None:
    async def hasty(item: Any, ask: Any) -> str:
        try:
            async with asyncio.timeout(20):
                return str((await ask(item["text"])).text)
        except TimeoutError:
            return "gave up"

    place, bench = house(duration_s=100.0), bench_of(tmp_path, 5, hasty)
    assert bench.run(at(place)).reason == "done"
    assert bench.row.completed == 5
    assert bench.row.settled == place.billed > 0
    bench.check_books()

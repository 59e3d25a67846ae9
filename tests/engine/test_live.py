"""What views are told of a run: one moment's figures, and money that is what it is called."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Fault
from packmule.core.endings import Ending
from packmule.core.money import flat
from packmule.store import batches, reads
from packmule.testing import ScriptedEndpoint, SimClock
from packmule.views.estimate import price_of_rest
from packmule.views.pilot import measure
from packmule.views.progress import Progress, progress_of
from tests.engine.harness import Bench, one_call

PRICE = flat(1_000, 10_000, "test")


def seen(bench: Bench) -> Progress:
    """As another process would see it now."""
    return progress_of(bench.row, reads.live(bench.store, bench.batch))


def over(bench: Bench, which: Any, rev: int) -> int:
    """How many rows of a table say that their item has ended."""
    rows = reads.shown(bench.store, bench.batch, which, 99, rev)
    return sum(row.state in {"completed", "failed"} for row in rows)


@pytest.mark.parametrize("seed", range(4))
def test_held_money_busy_calls_and_rows_of_one_picture_are_of_one_moment(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    pictures: list[Progress] = []

    async def steer(runner: Any) -> None:
        for step in range(200):
            await asyncio.sleep(0.05)
            if step == 60:
                runner.stop(Ending("stopped", "person"))
            pictures.append(seen(bench))

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        return [ScriptedEndpoint(clock, price=PRICE, latency_s=lambda: chance.uniform(0.1, 3.0))]

    bench = Bench(tmp_path, one_call, [f"text {n:03}" for n in range(60)], Limits(concurrency=6))
    bench.run(endpoints, seed=seed, steer=steer)
    running = [picture for picture in pictures if picture.running and picture.concurrency and picture.width]
    assert {picture.label for picture in running} == {"running", "stopping"}
    one = max(picture.held for picture in running) // 6
    for picture in running:
        assert picture.held == one * picture.in_flight, picture
        assert len(picture.active) == picture.in_flight
        assert picture.done + picture.skipped + picture.cancelled + picture.pending == picture.total


def test_a_session_that_has_said_nothing_yet_shows_no_figures_of_the_last_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, ["one", "two"])
    bench.run(lambda clock: [ScriptedEndpoint(clock, price=PRICE)])
    said = reads.live(bench.store, bench.batch)
    assert said is not None
    assert said.totals is not None
    assert said.totals.completed == 2
    _, lock = batches.take_lease(bench.store, bench.row)
    lock.drop()
    bench.store.write("set_state", ("running", "", 0, None, bench.batch))
    bench.store.write("count_reopened", {
        "n": 1, "failed": -1, "blocked": 0, "skipped": 0, "cancelled": 0, "batch": bench.batch,
    })  # fmt: skip
    assert seen(bench).pending == 1


def test_a_lost_answer_is_unknown_in_its_row_and_the_cost_never_falls(tmp_path: Path) -> None:
    rows: list[tuple[int, int]] = []

    async def steer(runner: Any) -> None:
        del runner
        while True:
            await asyncio.sleep(0.5)
            rows.extend((line.cost, line.unknown) for line in seen(bench).active)

    def say(text: str, nth: int) -> Any:
        del text
        return Fault("timeout", "unknown", "no answer in time") if nth == 0 else "fine"

    bench = Bench(tmp_path, one_call, ["a text"])
    bench.run(lambda clock: [ScriptedEndpoint(clock, say, price=PRICE, latency_s=lambda: 2.0)], steer=steer)
    owed = bench.row.unknown
    assert owed > 0
    assert {cost for cost, _ in rows} == {0}
    assert {unknown for _, unknown in rows} == {0, owed}
    (done,) = reads.shown(bench.store, bench.batch, "first", 5)
    assert (done.cost, done.unknown) == (bench.row.settled, owed)
    assert reads.shown(bench.store, bench.batch, "done", 5) == [done]


@pytest.mark.parametrize("which", ["failed", "first"])
def test_a_failed_item_shows_what_may_have_been_billed(tmp_path: Path, which: Any) -> None:
    bench = Bench(tmp_path, one_call, ["a text"], Limits(on_unknown="hold"))
    bench.run(lambda clock: [ScriptedEndpoint(clock, lambda *_: Fault("reset", "unknown", "gone"), price=PRICE)])
    (line,) = reads.shown(bench.store, bench.batch, which, 5)
    assert (line.state, line.cost, line.unknown) == ("failed", 0, bench.row.unknown)
    assert line.unknown > 0


def test_what_was_written_off_is_the_price_of_no_item(tmp_path: Path) -> None:
    means: list[float] = []

    async def drop(runner: Any) -> None:
        await asyncio.sleep(3.5)
        runner.drop()

    async def look(runner: Any) -> None:
        while True:
            await asyncio.sleep(0.5)
            means.append(runner.vitals.money.mean)

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        return [ScriptedEndpoint(clock, price=PRICE, latency_s=lambda: 1.0)]

    bench = Bench(tmp_path, one_call, [f"text {n:03}" for n in range(40)], Limits(concurrency=4))
    bench.run(endpoints, steer=drop)
    before = bench.row
    one = before.settled // before.completed
    assert price_of_rest(before) == one * before.pending
    owed = batches.write_off(bench.store, before, 0)
    after = bench.row
    assert (after.settled, after.written_off) == (before.settled + owed, owed)
    assert owed > before.settled // 4
    assert price_of_rest(after) == one * after.pending
    projected = seen(bench).projection
    assert projected is not None
    assert (projected.per_item, projected.likely) == (one, after.settled + one * after.pending)
    bench.run(endpoints, steer=look)
    assert {round(mean) for mean in means if mean} == {one}
    measured = measure(bench.row, reads.ended(bench.store, bench.batch))
    assert measured is not None
    assert measured.per_item == one
    count, cost, *_ = reads.completed_sums(bench.store, bench.batch)
    assert cost == one * count
    bench.check_books()


def test_rows_that_ended_after_the_figures_were_taken_are_not_shown_as_over(tmp_path: Path) -> None:
    pictures: list[tuple[int, int, int]] = []

    async def steer(runner: Any) -> None:
        del runner
        for _ in range(100):
            await asyncio.sleep(0.05)
            picture = seen(bench)
            if picture.rev is not None:
                first, done, failed = (over(bench, which, picture.rev) for which in ("first", "done", "failed"))
                pictures.append((picture.done, first, done + failed))

    def say(text: str, nth: int) -> Any:
        del nth
        return Fault("invalid_request", "rejected", "no") if text.endswith("7") else "fine"

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        return [ScriptedEndpoint(clock, say, price=PRICE, latency_s=lambda: 0.07)]

    bench = Bench(tmp_path, one_call, [f"text {n:03}" for n in range(80)], Limits(concurrency=2))
    bench.run(endpoints, steer=steer)
    assert len({done for done, *_ in pictures}) > 5
    assert all(done == first == newest for done, first, newest in pictures), pictures

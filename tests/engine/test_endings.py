"""However a run ends, by our own mistake or because its caller left, items stay pending and what was paid stays."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Fault, Received
from packmule.core.endings import Ending
from packmule.engine.item_run import ItemRun
from packmule.engine.runner import Runner
from packmule.store import reads
from packmule.testing import ScriptedEndpoint, SimClock
from tests.engine.harness import Bench, one_call, three_calls

TEXTS = [f"text {n}" for n in range(40)]


class BrokenPart(ScriptedEndpoint):
    """A part that breaks its contract at the n-th send."""

    breaks_at = 30

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        if sum(self.sent.values()) + 1 == self.breaks_at:
            self.breaks_at = -1
            message = "a part broke its contract"
            raise RuntimeError(message)
        return await super().send(body, timeout_s)


def working(clock: SimClock) -> list[ScriptedEndpoint]:
    return [ScriptedEndpoint(clock, latency_s=lambda: 1.0)]


@pytest.mark.parametrize("recipe", [one_call, three_calls])
def test_a_mistake_of_ours_ends_the_run_with_itself_and_fails_no_item(tmp_path: Path, recipe: Any) -> None:
    bench = Bench(tmp_path, recipe, TEXTS, Limits(concurrency=8))
    with pytest.raises(RuntimeError, match="broke its contract"):
        bench.run(lambda clock: [BrokenPart(clock, latency_s=lambda: 1.0)])
    assert bench.row.failed == 0
    assert bench.row.pending == len(TEXTS) - bench.row.completed
    assert bench.row.attempts >= BrokenPart.breaks_at
    before = bench.row.completed
    assert bench.run(working).reason == "done"
    assert bench.row.completed == len(TEXTS) > before
    bench.check_books()


def test_whoever_waits_for_a_run_may_leave_and_the_items_stay_pending(tmp_path: Path) -> None:
    bench = Bench(tmp_path, three_calls, TEXTS, Limits(concurrency=8))
    waiter: list[asyncio.Task[Any]] = []

    async def leave(runner: Runner) -> None:
        await runner.world.clock.sleep(4.5)
        for other in waiter:
            other.cancel()

    def provider(clock: SimClock) -> list[ScriptedEndpoint]:
        current = asyncio.current_task()
        assert current is not None
        waiter.append(current)
        return working(clock)

    with contextlib.suppress(asyncio.CancelledError):
        bench.run(provider, steer=leave)
    assert (bench.row.failed, bench.row.held) == (0, 0)
    assert bench.row.unknown > 0
    assert bench.row.pending == len(TEXTS) - bench.row.completed
    waiter.clear()
    assert bench.run(working).reason == "done"
    assert bench.row.completed == len(TEXTS)
    bench.check_books()


def test_the_memory_of_an_item_is_free_at_its_end_without_the_collector(tmp_path: Path) -> None:
    bench = Bench(tmp_path, three_calls, TEXTS, Limits(concurrency=8))
    gc.collect()
    gc.disable()
    try:
        assert bench.run(working).reason == "done"
        # Besides what a test's own loop leaves behind, at most one that the last frame still held.
        assert sum(isinstance(thing, ItemRun) for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()


def test_asking_in_another_threads_loop_is_told_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(ask(item["text"]))).result()

    bench = Bench(tmp_path, recipe, TEXTS[:3], Limits())
    assert bench.run(working).reason == "done"
    assert bench.row.failed == 3
    reasons = [result.reason or "" for result in reads.results(bench.store, bench.batch)]
    assert all("another thread's event loop" in reason for reason in reasons)


class Own(BaseException):
    """What a recipe's author made up."""


@pytest.mark.parametrize(
    "mistake", [SystemExit(3), GeneratorExit(), RecursionError("too deep"), KeyboardInterrupt(), Own("mine")]
)
def test_whatever_a_recipe_raises_is_its_items_failure(tmp_path: Path, mistake: BaseException) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        if item.seq == 1:
            raise mistake
        return await ask(item["text"])

    bench = Bench(tmp_path, recipe, TEXTS[:3], Limits())
    assert bench.run(working).reason == "done"
    assert (bench.row.completed, bench.row.failed) == (2, 1)


def test_a_task_that_a_recipe_leaves_behind_asks_no_more(tmp_path: Path) -> None:
    left: list[Any] = []

    async def recipe(item: Any, ask: Any) -> str:
        left.append(asyncio.ensure_future(ask(item["text"])))
        return "done"

    bench = Bench(tmp_path, recipe, TEXTS[:3], Limits())
    assert bench.run(working).reason == "done"
    assert (bench.row.completed, bench.row.attempts, bench.row.settled) == (3, 0, 0)
    assert all(task.cancelled() for task in left)


async def _async_check(value: Any) -> None:
    del value


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"check": _async_check}, "must be a plain function"),
        ({"check": "a word"}, "must be a plain function"),
        ({"prompt": 5}, "no prompt"),
        ({"prompt": " "}, "no prompt"),
    ],
)
def test_what_cannot_be_asked_or_judged_is_told_and_costs_nothing(
    tmp_path: Path, asked: dict[str, Any], says: str
) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        return await ask(**{"prompt": item["text"], **asked})

    bench = Bench(tmp_path, recipe, TEXTS[:2], Limits())
    assert bench.run(working).reason == "done"
    assert (bench.row.failed, bench.row.attempts) == (2, 0)
    assert all(says in (result.reason or "") for result in reads.results(bench.store, bench.batch))


def test_attempts_of_the_records_add_up_to_the_batches(tmp_path: Path) -> None:
    said = iter([Fault("connect", "not_sent", "no connection"), "yes", "yes"])
    bench = Bench(tmp_path, one_call, TEXTS[:2], Limits(concurrency=1))
    assert bench.run(lambda clock: [ScriptedEndpoint(clock, lambda *_: next(said))]).reason == "done"
    assert bench.row.attempts == 2 == sum(result.attempts for result in reads.results(bench.store, bench.batch))
    bench.check_books()


def test_an_item_held_back_for_an_unknown_attempt_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, TEXTS[:1], Limits(on_unknown="hold"))
    bench.run(lambda clock: [ScriptedEndpoint(clock, lambda *_: Fault("timeout", "unknown", "late"))])
    (result,) = reads.results(bench.store, bench.batch)
    assert result.reason == "late; held, because it may have been billed (--on-unknown hold)"


def test_a_mistake_in_a_recipe_is_named_with_its_line(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        del ask
        return item["nope"]

    bench = Bench(tmp_path, recipe, TEXTS[:1], Limits())
    bench.run(working)
    (result,) = reads.results(bench.store, bench.batch)
    line = recipe.__code__.co_firstlineno + 2
    assert result.reason == f"the recipe raised KeyError: 'nope' (test_endings.py, line {line})"


@pytest.mark.parametrize("mistake", [SystemExit(3), Own("mine"), ValueError("no")])
def test_whatever_a_check_raises_ends_its_call_and_keeps_its_answer(tmp_path: Path, mistake: BaseException) -> None:
    def check(value: Any) -> None:
        del value
        raise mistake

    async def recipe(item: Any, ask: Any) -> Any:
        return await ask(item["text"], check=check)

    bench = Bench(tmp_path, recipe, TEXTS[:3], Limits())
    assert bench.run(working).reason == "done"
    assert (bench.row.failed, bench.row.held, bench.row.attempts) == (3, 0, 3)
    bench.check_books()


def test_a_check_that_says_false_refuses(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        return await ask(item["text"], check=lambda value: "good" in value)

    bench = Bench(tmp_path, recipe, ["a good text", "a text"], Limits(retries_invalid=1))
    bench.run(working)
    assert (bench.row.completed, bench.row.failed, bench.row.attempts) == (1, 1, 3)


def test_a_recipe_that_swallows_its_end_does_not_keep_the_loop_to_itself(tmp_path: Path) -> None:
    turns: list[int] = []

    async def recipe(item: Any, ask: Any) -> Any:
        while len(turns) < 50:
            try:
                await ask(f"{item['text']} {len(turns)}")
            except BaseException:
                turns.append(1)

    async def stop(runner: Runner) -> None:
        await asyncio.sleep(0.5)
        runner.stop(Ending("stopped", "person"))
        for _ in range(5):
            await asyncio.sleep(0)
            assert len(turns) < 50

    bench = Bench(tmp_path, recipe, TEXTS[:1], Limits())
    assert bench.run(working, steer=stop).reason == "person"


def test_a_store_that_is_deleted_under_a_run_stops_it(tmp_path: Path) -> None:
    async def rob(runner: Runner) -> None:
        del runner
        await asyncio.sleep(2.5)
        bench.store.path.unlink()

    bench = Bench(tmp_path, one_call, TEXTS, Limits(concurrency=2))
    ending = bench.run(working, steer=rob)
    assert (ending.state, ending.reason) == ("stopped", "disk")
    assert "deleted" in ending.detail


def test_a_machine_out_of_files_asks_less_and_blames_nobody(tmp_path: Path) -> None:
    made: list[ScriptedEndpoint] = []

    def crowded(clock: SimClock) -> list[ScriptedEndpoint]:
        def say(text: str, nth: int) -> Any:
            del nth
            crowd = made[0].in_flight >= 10
            return Fault("local", "not_sent", "no more files") if crowd else f"answer to {text}"

        made.append(ScriptedEndpoint(clock, say, latency_s=lambda: 0.5))
        return made

    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(300)], Limits(concurrency=64))
    assert bench.run(crowded).reason == "done"
    assert (bench.row.completed, bench.row.unknown) == (300, 0)

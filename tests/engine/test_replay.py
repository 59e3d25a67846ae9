"""Durable calls: killed at any commit and started again, a recipe pays again for at most what was in flight."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Fault
from packmule.core.group import Group
from packmule.errors import CallFailed
from packmule.recipes.loading import load_recipe
from packmule.store import BatchJournal, reads
from packmule.testing import ScriptedEndpoint, SimClock
from tests.cli.command import EXAMPLES
from tests.engine.harness import Bench

RECIPES = ("three_calls", "gathered", "branching", "second_try")
TEXTS = [f"text {n}" for n in range(5)]
EVERY = 1 if os.environ.get("PACKMULE_PROOF") else 3


class Killed(BaseException):
    """The process ends here."""


class Dying(BatchJournal):
    """Dies at the nth commit: before it is durable, or after it and before anyone is told."""

    def __init__(self, bench: Bench, nth: int, *, after: bool) -> None:
        super().__init__(bench.store, bench.batch)
        self.left = nth
        self.after = after

    def commit(self, epoch: int, group: Group) -> int:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        rev = super().commit(epoch, group)
        if self.left == 0:
            raise Killed
        return rev


class DyingOnceACallEnded(BatchJournal):
    """Dies right after the commit that made the first end of a call durable."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.store, bench.batch)

    def commit(self, epoch: int, group: Group) -> int:
        super().commit(epoch, group)
        if group.call_ends:
            raise Killed
        return 0


class Provider:
    """One provider over many sessions: its bill outlives every process."""

    def __init__(self, seed: int = 0, *, refuse: str = "in detail: text 1") -> None:
        self.bill: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.refuse = refuse
        self.seed = seed

    def __call__(self, clock: SimClock) -> list[ScriptedEndpoint]:
        chance = random.Random(self.seed)
        endpoint = ScriptedEndpoint(clock, self.say, latency_s=lambda: chance.uniform(0.1, 3.0))
        endpoint.bill, endpoint.sent = self.bill, self.sent
        return [endpoint]

    def say(self, text: str, nth: int) -> str | Fault:
        del nth
        if self.refuse in text:
            return Fault("invalid_request", "rejected", "400 no such luck")
        return f"<{text[-24:]}>"

    @property
    def billed(self) -> int:
        return sum(self.bill.values())


def bench_of(folder: Path, name: str) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(f"{EXAMPLES / 'recipes' / name}.py:recipe")
    return Bench(folder, recipe, TEXTS, Limits(concurrency=3, max_cost=10**13))


def outputs(bench: Bench) -> list[tuple[str, str]]:
    return [(r.state, bytes(r.output or b"").decode()) for r in reads.results(bench.store, bench.batch)]


def undisturbed(folder: Path, name: str) -> tuple[list[tuple[str, str]], Counter[str], int]:
    bench, provider = bench_of(folder, name), Provider()
    assert bench.run(provider).reason == "done"
    bench.check_books()
    assert provider.billed == bench.row.settled
    return outputs(bench), provider.sent, bench.row.rev


@pytest.mark.parametrize("after", [False, True], ids=["before-durable", "after-durable"])
@pytest.mark.parametrize("name", RECIPES)
def test_killed_at_any_commit_it_pays_again_for_at_most_what_was_in_flight(
    tmp_path: Path, name: str, after: bool
) -> None:
    expected, once, commits = undisturbed(tmp_path / "calm", name)
    killed = 0
    for nth in range(1, commits + 1, EVERY):
        bench, provider = bench_of(tmp_path / f"{after}-{nth}", name), Provider()
        try:
            bench.run(provider, journal=Dying(bench, nth, after=after))
        except Killed:
            killed += 1
        lost = held_now(bench)
        if bench.row.state != "completed":
            assert bench.run(provider).reason == "done"
        assert outputs(bench) == expected
        again = sum((provider.sent - once).values())
        assert again <= lost, f"killed at {nth}: {again} calls again, {lost} in flight"
        assert provider.billed <= bench.row.settled + bench.row.unknown
        assert bench.row.unknown > 0 or provider.billed == bench.row.settled
        bench.check_books()
        bench.store.close()
    assert killed > commits // EVERY // 2


@pytest.mark.parametrize("seed", range(60 if os.environ.get("PACKMULE_PROOF") else 12))
def test_killed_again_and_again_nothing_is_lost_and_the_books_hold(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    name = chance.choice(RECIPES)
    expected, once, commits = undisturbed(tmp_path / "calm", name)
    bench, provider, lost = bench_of(tmp_path / "torn", name), Provider(seed), 0
    for _ in range(40):
        try:
            journal = Dying(bench, chance.randint(2, commits), after=chance.random() < 0.5)
            done = bench.run(provider, seed=chance.randrange(10**6), journal=journal)
        except Killed:
            lost += held_now(bench)
            row = bench.row
            assert provider.billed <= row.settled + row.unknown + row.held
            if row.state == "completed":
                break
            continue
        assert done.reason == "done"
        break
    else:
        assert bench.run(provider).reason == "done"
    assert outputs(bench) == expected
    assert sum((provider.sent - once).values()) <= lost
    bench.check_books()


def held_now(bench: Bench) -> int:
    return sum(
        attempt.state == "held"
        for result in reads.results(bench.store, bench.batch)
        for attempt in reads.journal(bench.store, bench.batch, result.seq).attempts
    )


def test_notes_and_chance_are_the_same_after_a_replay(tmp_path: Path) -> None:
    world = {"time": 0}
    seen: list[tuple[Any, ...]] = []

    async def recipe(item: Any, ask: Any) -> str:
        def look() -> int:
            world["time"] += 1
            return world["time"]

        noted = await item.note("time", look)
        luck = item.rng.randint(0, 10**9)
        seen.append((item.seq, noted, luck))
        first = await ask(f"{item['text']} at {noted} with {luck}")
        return (await ask(f"again {first.text}")).text

    bench, provider = Bench(tmp_path, recipe, TEXTS, Limits(concurrency=2)), Provider()
    with pytest.raises(Killed):
        bench.run(provider, journal=Dying(bench, 9, after=True))
    assert bench.run(provider).reason == "done"
    by_item: dict[int, set[tuple[Any, ...]]] = {}
    for seq, *learned in seen:
        by_item.setdefault(seq, set()).add(tuple(learned))
    assert len(seen) > len(TEXTS), "some items ran twice"
    begun_before = [learned for learned in by_item.values() if len(learned) > 1]
    # An item that died before its note was durable learns anew; no other may.
    assert len(begun_before) <= 2


def test_an_async_note_is_awaited_and_taken_once(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        async def learn() -> dict[str, int]:
            await asyncio.sleep(1)
            return {"n": item.seq}

        assert await item.note("a", learn) == await item.note("a", lambda: "other")
        return (await item.note("a", learn))["n"]

    bench = Bench(tmp_path, recipe, TEXTS)
    assert bench.run(Provider()).reason == "done"
    assert [output for _, output in outputs(bench)] == ["0", "1", "2", "3", "4"]


def test_a_failed_call_replays_as_the_same_failure(tmp_path: Path) -> None:
    caught: list[tuple[str, str]] = []

    async def recipe(item: Any, ask: Any) -> str:
        try:
            await ask("bad question")
        except CallFailed as error:
            caught.append((error.kind, error.message))
        return (await ask(f"good {item['text']}")).text

    bench, provider = Bench(tmp_path, recipe, ["one"], Limits(concurrency=1)), Provider(refuse="bad")
    with pytest.raises(Killed):
        bench.run(provider, journal=DyingOnceACallEnded(bench))
    bench.run(provider)
    assert len(caught) == 2
    assert len(set(caught)) == 1
    assert provider.sent["bad question"] == 1


def test_a_retry_round_replays_accepted_answers_and_asks_the_rest_anew_even_of_another_model(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> str:
        first = await ask(f"first {item['text']}")
        return (await ask(f"second {first.text}")).text

    bench, provider = Bench(tmp_path, recipe, ["one", "two"], Limits(concurrency=2)), Provider(refuse="second")
    bench.run(provider)
    assert [state for state, _ in outputs(bench)] == ["failed", "failed"]
    provider.refuse = "nothing"
    assert bench.retry(model="sim/other") == 2
    asked_of: list[str] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        other = ScriptedEndpoint(clock, lambda text, _: asked_of.append(text) or "fine", model="sim/other")
        return [*provider(clock), other]

    assert bench.run(endpoints).reason == "done"
    assert len(asked_of) == 2
    assert all(text.startswith("second") for text in asked_of)
    assert provider.sent["first one"] == 1
    models = {a.model for a in reads.journal(bench.store, bench.batch, 0).attempts}
    assert models == {"sim/scripted", "sim/other"}
    bench.check_books()


def test_answers_that_a_changed_recipe_no_longer_asks_for_are_counted(tmp_path: Path) -> None:
    async def before(item: Any, ask: Any) -> str:
        await ask(f"old {item['text']}")
        return (await ask("bad")).text

    async def after(item: Any, ask: Any) -> str:
        return (await ask(f"new {item['text']}")).text

    bench, provider = Bench(tmp_path, before, ["one", "two"], Limits(concurrency=2)), Provider(refuse="bad")
    bench.run(provider)
    bench.retry()
    bench.recipe = after
    assert bench.run(provider).unused_calls == 2


def test_an_identical_question_is_asked_as_often_as_it_is_asked(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> list[str]:
        del item
        return [reply.text for reply in await asyncio.gather(*(ask("the same") for _ in range(3)))]

    bench, provider = Bench(tmp_path, recipe, ["x"], Limits(concurrency=3)), Provider()
    bench.run(provider)
    assert provider.sent["the same"] == 3


@pytest.mark.parametrize("size", [100, 200_000])
def test_attachments_are_part_of_the_call_and_large_ones_lie_beside_the_journal(tmp_path: Path, size: int) -> None:
    picture = bytes(range(256)) * (size // 256 + 1)

    async def recipe(item: Any, ask: Any) -> str:
        await ask("What is this?", attach=[("image/png", picture)])
        await ask("What is this?", attach=[("image/png", picture[::-1])])
        return (await ask([{"role": "user", "content": "And this?"}], attach=[("image/png", picture)])).text

    bench, provider = Bench(tmp_path, recipe, ["x"], Limits(concurrency=1)), Provider()
    with pytest.raises(Killed):
        bench.run(provider, journal=DyingOnceACallEnded(bench))
    assert bench.run(provider).reason == "done"
    assert provider.sent["What is this?"] == 2
    kept = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(kept) == (2 if size > 65_536 else 0)


def test_the_change_feed_tells_each_item_at_its_first_intent_and_at_its_end(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, "three_calls")
    told: list[tuple[int, int]] = []

    class Followed(BatchJournal):
        after = 0

        def commit(self, epoch: int, group: Group) -> int:
            rev = super().commit(epoch, group)
            for row in reads.changed(bench.store, bench.batch, Followed.after):
                told.append((row.seq, row.rev))
                Followed.after = row.rev
            return rev

    bench.run(Provider(), journal=Followed(bench.store, bench.batch))
    assert sorted(seq for seq, _ in told) == sorted([*range(5), *range(5)])
    assert [rev for _, rev in told] == sorted(rev for _, rev in told)

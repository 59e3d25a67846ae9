"""Drives real batches on a real store: on virtual time, with the scripted provider and its own bill."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packmule.checks import check_text
from packmule.core.batch import Limits, Plan, Round, SourceMark, Spec
from packmule.core.endings import Ending
from packmule.core.items import SourceItem
from packmule.core.rows import BatchRow
from packmule.engine.runner import Runner
from packmule.engine.world import ItemChange, Recipe, World
from packmule.store import BatchJournal, Store, batches, reads
from packmule.testing import ScriptedEndpoint, SimClock, run_simulated


class NoSchema:
    """Tests here pass CheckedSchema values themselves."""

    def __call__(self, schema: Any) -> Any:
        return schema


@dataclass
class Bench:
    """A store with one batch of `items` texts, and the means to run it again and again."""

    folder: Path
    recipe: Recipe
    items: list[str]
    limits: Limits = field(default_factory=Limits)
    models: tuple[str, ...] = ("sim/scripted",)
    store: Store = field(init=False)
    batch: int = field(init=False)
    changes: list[ItemChange] = field(default_factory=list)
    later_s: float = 0.0
    """How long after the first session's start the next one begins."""

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "store.db")
        plan = Plan(Spec(recipe="test", models=self.models), SourceMark("test", "0", 0), self.limits)
        row = batches.create(self.store, "batch-2026-01-01-test00", plan, "test", 0)
        self.batch = row.batch
        page = [(str(n + 1), SourceItem(str(n + 1), {"text": text})) for n, text in enumerate(self.items)]
        batches.add_items(self.store, row.batch, 0, page)
        batches.ingested(self.store, row, row.source, {})

    @property
    def row(self) -> BatchRow:
        return batches.reload(self.store, self.batch)

    def run(
        self,
        endpoints: Callable[[SimClock], list[ScriptedEndpoint]],
        *,
        seed: int = 0,
        steer: Callable[[Runner], Any] | None = None,
        journal: Any = None,
    ) -> Ending:
        """One session, on virtual time."""
        return run_simulated(self._session(endpoints, seed, steer, journal), seed)

    async def _session(self, endpoints: Any, seed: int, steer: Any, journal: Any) -> Ending:
        clock = SimClock(asyncio.get_running_loop(), self.later_s)
        row = self.row
        epoch, lock = batches.take_lease(self.store, row)
        batches.recover(self.store, row, epoch, 0)
        row = self.row
        named = {endpoint.model: endpoint for endpoint in endpoints(clock)}
        world = World(
            clock=clock,
            endpoint=named.__getitem__,
            schema=NoSchema(),
            check_text=check_text,
            blobs=self.store.blobs,
            rng=random.Random(seed),
            seeded=random.Random,
            recipe=self.recipe,
            spec=row.spec,
            batch_id=row.id,
            limits=row.limits,
            round=row.round,
            scratch=self.folder / "fetched",
        )
        try:
            runner = Runner(
                journal or BatchJournal(self.store, self.batch),
                row,
                epoch,
                world,
                on_change=self.changes.append,
                threaded=False,
            )
            if steer is not None:
                steering = asyncio.ensure_future(steer(runner))
            ending = await runner.run()
            if steer is not None:
                steering.cancel()
            return ending
        finally:
            self.later_s += clock.now_s()
            lock.drop()

    def retry(self, states: tuple[str, ...] = ("failed", "blocked"), **settings: Any) -> int:
        """Open a new round."""
        row = self.row
        count = batches.open_round(self.store, row, Round(row.round.number + 1, **settings), states, 0)
        if row.state in {"completed", "cancelled"}:
            batches.set_state(self.store, self.row, "reopen", "", 0)
        return count

    def check_books(self) -> None:
        """Totals equal the sums, counts add up, and nothing is held at rest."""
        row = self.row
        sums = reads.sums(self.store, self.batch)
        assert {name: getattr(row, name) for name in sums} == sums
        assert row.total == row.pending + row.completed + row.failed + row.skipped + row.blocked + row.cancelled
        assert sum(result.cost for result in reads.results(self.store, self.batch)) == row.settled


async def one_call(item: Any, ask: Any) -> str:
    """The simplest recipe."""
    return (await ask(item["text"])).text


async def three_calls(item: Any, ask: Any) -> str:
    """Each call builds on the one before."""
    text = item["text"]
    for step in range(3):
        text = (await ask(f"{step}:{text}")).text[:40]
    return text

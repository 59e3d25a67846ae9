"""One session of a batch: lease, ingest, drive. A batch has as many sessions as it was started."""

from __future__ import annotations

import gc
import os
import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from packmule.checks import check_text, load_schema
from packmule.compose.parts import Parts
from packmule.compose.preparing import Prepared
from packmule.compose.results import batch_in, check_folder, write_batch
from packmule.config import OUT
from packmule.core.batch import OWN_RECIPES, Limits, Plan, SourceMark, changes
from packmule.core.endings import Ending
from packmule.core.items import SourceItem
from packmule.core.ports import CheckedSchema
from packmule.core.rows import BatchRow
from packmule.core.states import BATCH_OVER
from packmule.engine.runner import GRACE_S, Runner
from packmule.engine.world import ItemChange, Recipe, World
from packmule.recipes.loading import source_digest
from packmule.sources.source import Source
from packmule.store import BatchJournal, Store, batches, reads

PAGE = 2000
GC_PACE = (50_000, 20, 100)
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session came to: the batch as it is now, how the run ended, where the results lie."""

    row: BatchRow
    ending: Ending
    out_dir: Path


class Session:
    """Holds the lease of one batch from construction to `close`."""

    grace_s = GRACE_S
    replaces: str | None
    """The other batch whose results lie in this one's folder, and will be replaced."""
    recipe_changed: bool
    """The recipe's file is not as it was when the batch began."""

    def __init__(
        self,
        store: Store,
        row: BatchRow,
        recipe: Recipe,
        parts: Parts,
        out_dir: Path | None,
        *,
        take_over: bool = False,
    ) -> None:
        self.store = store
        self.parts = parts
        self.recipe = recipe
        self.out_dir = folder_of(row, out_dir)
        check_folder(self.out_dir)
        other = batch_in(self.out_dir)
        self.replaces = other if other != row.id else None
        self.recipe_changed = recipe_changed(row, recipe)
        self.epoch, self._lock = batches.take_lease(store, row, take_over=take_over)
        self.lost = batches.recover(store, batches.reload(store, row.batch), self.epoch, parts.clock.utc_us())
        store.write("set_out_dir", (str(self.out_dir), row.batch))
        self._batch = row.batch
        self._runner: Runner | None = None

    @property
    def row(self) -> BatchRow:
        """The batch as it is now."""
        return batches.reload(self.store, self._batch)

    def ingest(self, source: Source, mark: SourceMark, on_page: Callable[[int], None] = lambda _: None) -> None:
        """Bring the items in, or go on where that was interrupted; no call goes out before."""
        row = self.row
        seq = batches.next_seq(self.store, row.batch)
        for page in _pages(source.items(seq)):
            seq = batches.add_items(self.store, row.batch, seq, [(item.key or str(n), item) for n, item in page])
            on_page(seq)
        counts = source.counts
        notes = {
            "columns": list(source.columns),
            "rows": counts.rows,
            "empty": counts.empty,
            "filtered": counts.filtered,
            "renamed": counts.renamed,
            "warnings": list(source.warnings),
            "recipe_sha256": source_digest(self.recipe) if row.spec.recipe not in OWN_RECIPES else None,
        }
        batches.ingested(self.store, row, mark, notes)

    def spread(self, count: int) -> list[int]:
        """Seqs of so many pending items that stand for all: begun ones first, then short, middling and long inputs."""
        return reads.spread(self.store, self._batch, count)

    async def drive(
        self,
        *,
        on_change: Callable[[ItemChange], None] | None = None,
        on_ready: Callable[[], object] = lambda: None,
        only: Sequence[int] | None = None,
    ) -> Ending:
        """Run to an ending, on the calling loop; `on_ready` is called there once the batch can be steered.

        With `only`, no other items than these seqs begin, and the batch then stops with `pilot` if more are pending. It
        may be driven again afterwards.
        """
        row = self.row
        if row.state in BATCH_OVER:
            # Another process ended it between our look and our lease.
            return Ending(row.state, "done" if row.state == "completed" else row.state)
        journal = BatchJournal(self.store, self._batch)
        runner = self._runner = Runner(journal, row, self.epoch, self._world(), on_change=on_change, only=only)
        on_ready()
        before = gc.get_threshold()
        # Thousands of live items make the collector's default pace cost a seventh of the whole run.
        gc.set_threshold(*GC_PACE)
        try:
            return await runner.run()
        finally:
            gc.set_threshold(*before)
            self._runner = None
            await self.parts.close()

    def rest(self, reason: str) -> None:
        """A batch at rest that still says running, because its last runner died, is stopped for this reason."""
        if self.row.state in {"running", "paused"}:
            batches.set_state(self.store, self.row, "stop", reason, self.parts.clock.utc_us())

    @property
    def in_flight(self) -> int:
        """Calls on their way."""
        return 0 if self._runner is None else self._runner.tap.in_flight

    def stop(self, detail: str) -> None:
        """Start nothing new, let what is on its way finish. On the session's loop."""
        if self._runner is not None:
            self._runner.stop(Ending("stopped", "person", detail))

    def cancel(self) -> None:
        """End the batch and its jobs for good, once their providers have said what was done. On the session's loop."""
        if self._runner is not None:
            self._runner.stop(Ending("cancelled", "cancelled"))

    def drop(self) -> None:
        """Drop what is on its way, and count it as unknown. On the session's loop."""
        if self._runner is not None:
            self._runner.drop()

    def finish(self, ending: Ending) -> Outcome:
        """Write the results and give the lease back."""
        try:
            write_batch(self.store, self.row, self.out_dir, self.parts)
        finally:
            self.close()
        return Outcome(self.row, ending, self.out_dir)

    def close(self) -> None:
        """Give the lease back; harmless when done twice."""
        self._lock.drop()

    def _world(self) -> World:
        row, scratch = self.row, self.store.folder / "fetched"
        scratch.mkdir(mode=0o700, exist_ok=True)
        return World(
            clock=self.parts.clock,
            endpoint=self.parts.endpoint,
            schema=_schemas(),
            check_text=check_text,
            blobs=self.store.blobs,
            rng=random.Random(),
            seeded=random.Random,
            recipe=self.recipe,
            spec=row.spec,
            batch_id=row.id,
            limits=row.limits,
            round=row.round,
            pace=self.parts.pace,
            scratch=scratch,
        )


def begin(prepared: Prepared, store: Store, who: str) -> Session:
    """Make or find the batch, take its lease, take over changed limits, bring the items in."""
    order, mark = prepared.order, prepared.mark
    now_us = prepared.parts.clock.utc_us()
    row = prepared.existing
    if row is None:
        batch_id = new_id(now_us)
        # Before there is a batch: a folder that cannot be written leaves nothing behind.
        check_folder(_placed(order.out_dir, batch_id) or OUT / batch_id)
        plan = Plan(prepared.spec, mark, order.limits)
        row = batches.create(store, batch_id, plan, order.command, now_us, fresh=order.fresh)
    session = Session(store, row, prepared.recipe, prepared.parts, order.out_dir, take_over=order.take_over)
    try:
        _take_limits(store, session.row, order.limits, now_us, who)
        if prepared.action == "extend":
            batches.extend(store, row.batch)
            if row.state == "completed":
                batches.set_state(store, session.row, "reopen", "rows were appended to the input", now_us)
        if not session.row.ingested:
            session.ingest(prepared.source, mark)
    except BaseException:
        session.close()
        raise
    return session


def folder_of(row: BatchRow, given: Path | None = None) -> Path:
    """Where a batch's results go: where asked now, where they went before, or the usual place."""
    return _placed(given, row.id) or Path(row.out_dir or OUT / row.id)


def _placed(given: Path | None, batch_id: str) -> Path | None:
    """`{batch}` in a folder's name is the batch's id."""
    return None if given is None else Path(str(given).replace("{batch}", batch_id))


def recipe_changed(row: BatchRow, recipe: Recipe) -> bool:
    """Is the recipe's file another than when the batch began?"""
    before = row.ingest_notes.get("recipe_sha256")
    return before is not None and before != source_digest(recipe)


def new_id(now_us: int) -> str:
    """`batch-2026-11-22-k3x9ab`."""
    day = datetime.fromtimestamp(now_us / 1e6, UTC).strftime("%Y-%m-%d")
    tail = "".join(_ALPHABET[byte % 36] for byte in os.urandom(6))
    return f"batch-{day}-{tail}"


def _take_limits(store: Store, row: BatchRow, limits: Limits, now_us: int, who: str) -> None:
    if changes(row.limits, limits):
        batches.set_limits(store, row, limits, now_us, who)


def _pages(items: Iterator[SourceItem]) -> Iterator[list[tuple[int, SourceItem]]]:
    numbered = enumerate(items, 1)
    while page := list(islice(numbered, PAGE)):
        yield page


def _schemas() -> Callable[[Any], CheckedSchema]:
    """Each schema is compiled once."""
    known: dict[int, tuple[Any, CheckedSchema]] = {}

    def schema_of(schema: Any) -> CheckedSchema:  # noqa: ANN401 - a path, a dict, a model, or made already
        if hasattr(schema, "canonical") and hasattr(schema, "check"):
            return schema  # type: ignore[no-any-return]
        found = known.get(id(schema))
        if found is None:
            # The key is the object's id, so the object is kept alive with it.
            found = known[id(schema)] = (schema, load_schema(schema))
        return found[1]

    return schema_of

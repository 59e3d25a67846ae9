"""A store as the faces use it: batches, progress, events, wishes, results. Faces never touch the store itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packmule.compose import results
from packmule.compose.parts import open_store
from packmule.core.rows import BatchRow, ChangedRow, UnknownRow
from packmule.engine.clock import RealClock
from packmule.errors import UsageError
from packmule.exports import ResultRecord
from packmule.providers.prices import PriceBook
from packmule.store import batches, reads
from packmule.views.progress import Progress, progress_of

OVER = ("completed", "cancelled")
Event = tuple[int, int, str, dict[str, Any]]
"""(id, at in microseconds UTC, kind, data)."""


class Desk:
    """One open store. Safe to use from several threads."""

    def __init__(self, path: Path, env: Mapping[str, str] = os.environ, *, create: bool = True) -> None:
        self.store = open_store(path, create=create)
        self.env = env

    @property
    def path(self) -> Path:
        """Where the store lies."""
        return self.store.path

    def newest(self, limit: int = 20) -> list[BatchRow]:
        """The last batches, newest first."""
        return batches.newest(self.store, limit)

    def find(self, batch_id: str | None, *, unfinished: bool = False) -> BatchRow:
        """The batch of this id or part of one; without it the newest (unfinished) one. Raises UsageError."""
        if batch_id is not None:
            return batches.get(self.store, batch_id)
        rows = self.newest()
        if unfinished:
            rows = [row for row in rows if row.state not in OVER] or rows[:1]
        if not rows:
            message = f"there is no batch in {self.path}"
            raise UsageError(message, hint="packmule run FILE --prompt ... begins one")
        return rows[0]

    def now(self, row: BatchRow) -> BatchRow:
        """The batch as it is now."""
        return batches.reload(self.store, row.batch)

    def state(self, row: BatchRow) -> str:
        """The stored state; a batch that says running without a live runner was interrupted."""
        if row.state in {"running", "paused"} and not batches.is_running(self.store, row):
            return "interrupted"
        return row.state

    def progress(self, row: BatchRow, *, live: bool = True) -> Progress:
        """How the batch stands, with what its runner is doing now."""
        found = reads.live(self.store, row.batch) if live else None
        return progress_of(self.now(row), None if found is None else found[1])

    def events(self, row: BatchRow, after: int = 0) -> list[Event]:
        """What happened, in order."""
        return reads.events(self.store, row.batch, after)

    def version(self) -> int:
        """Changes whenever any process has committed to the store."""
        return self.store.data_version()

    def changed(self, row: BatchRow, after_rev: int = 0) -> list[ChangedRow]:
        """Items that changed after `after_rev`, a page at most, oldest change first."""
        return reads.changed(self.store, row.batch, after_rev)

    def failures(self, row: BatchRow, limit: int = 5) -> list[tuple[str, int]]:
        """The commonest reasons why items failed."""
        return reads.failures(self.store, row.batch, limit)

    def unknown(self, row: BatchRow) -> list[UnknownRow]:
        """Attempts that may have been billed."""
        return reads.unknown(self.store, row.batch)

    def write_off(self, row: BatchRow) -> int:
        """Count every unknown worst case as spent; picodollars. Raises UsageError while the batch runs."""
        if batches.is_running(self.store, row):
            message = f"{row.id} is running"
            raise UsageError(message, hint="stop it first, then write off")
        return batches.write_off(self.store, row, RealClock().utc_us())

    def wish(self, row: BatchRow, kind: str, data: dict[str, Any], who: str) -> int:
        """Ask something of the running batch."""
        return batches.wish(self.store, row.batch, kind, data, who, RealClock().utc_us())

    def answered(self, wish: int) -> str | None:
        """The runner's answer to a wish, None while there is none."""
        row = self.store.one("wish", (wish,))
        return None if row is None or row[0] is None else str(row[1])

    def records(self, row: BatchRow) -> Iterator[ResultRecord]:
        """One record an item, in input order."""
        return results.records(self.store, row)

    def export(self, row: BatchRow, path: Path) -> int:
        """Write one file of the format its name says; how many records."""
        return results.export_to(self.store, row, path)

    def write_results(self, row: BatchRow, folder: Path) -> None:
        """All result files of a batch."""
        results.write_batch(self.store, row, folder)


def known_prices(prefix: str) -> list[tuple[str, int, int, str, str]]:
    """(model, picodollars per million tokens in, out, source, day) of models whose name begins so."""
    return PriceBook(utc_us=RealClock().utc_us()).known_models(prefix)

"""A store as the faces use it: batches, progress, events, wishes, results. Faces never touch the store itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, Literal

from msgspec.structs import replace

from packmule.compose import results
from packmule.compose.parts import open_store
from packmule.core.batch import Limits
from packmule.core.eta import History, history_of
from packmule.core.live import Live
from packmule.core.pulse import FEW
from packmule.core.rows import BatchRow, ChangedRow, UnknownRow
from packmule.core.states import BATCH_OVER
from packmule.engine.clock import RealClock
from packmule.errors import UsageError
from packmule.exports import ResultRecord
from packmule.providers.prices import PriceBook
from packmule.store import batches, reads
from packmule.views.causes import Causes
from packmule.views.lines import chosen, in_order
from packmule.views.pilot import Measured, measure
from packmule.views.progress import Line, Progress, progress_of

OVER = BATCH_OVER
ANSWER_STEP_S = 0.05
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

    def utc_us(self) -> int:
        """Now, in microseconds UTC."""
        return RealClock().utc_us()

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

    def knows(self, batch_id: str) -> bool:
        """Is the batch of exactly this id in the store?"""
        return self.store.one("batch_columns", (batch_id,), more=" WHERE b.id = ?") is not None

    def now(self, row: BatchRow) -> BatchRow:
        """The batch as it is now."""
        return batches.reload(self.store, row.batch)

    def state(self, row: BatchRow) -> str:
        """The stored state; a batch that says running without a live runner was interrupted."""
        if row.state in {"running", "paused"} and not batches.is_running(self.store, row):
            return "interrupted"
        return row.state

    def progress(self, row: BatchRow, *, room: int = 0) -> Progress:
        """How the batch stands and what its runner is doing now, with at most `room` items to show."""
        now, live = self.now(row), reads.live(self.store, row.batch)
        alive = now.state in {"running", "paused"} and batches.is_running(self.store, now)
        progress = progress_of(now, live, RealClock().utc_us(), alive=alive, history=self._history(now, live))
        return replace(progress, lines=self._lines(progress, now, room)) if room else progress

    def _history(self, row: BatchRow, live: Live | None) -> History | None:
        """How fast an earlier batch of the same kind was; only asked while this one does not know itself."""
        if live is not None and live.pulse is not None and live.pulse.finished >= FEW:
            return None
        kin = reads.live_of_kin(self.store, row)
        return None if kin is None or kin.pulse is None else history_of(kin.pulse)

    def _lines(self, progress: Progress, row: BatchRow, room: int) -> tuple[Line, ...]:
        def stored(which: Literal["first", "done", "failed"]) -> tuple[Line, ...]:
            return self._stored(row, which, room, reads.LATEST if progress.rev is None else progress.rev)

        if row.total <= room:
            return in_order(stored("first"), progress.active)
        failed = stored("failed") if row.failed or row.blocked else ()
        return chosen(progress.active, failed, stored("done"), room)

    def _stored(
        self, row: BatchRow, which: Literal["first", "done", "failed"], room: int, rev: int
    ) -> tuple[Line, ...]:
        return tuple(
            Line(
                found.seq + 1,
                found.key,
                found.state,
                found.reason or "",
                found.latency_ms / 1000 if found.state != "pending" else None,
                cost=found.cost,
                unknown=found.unknown,
            )
            for found in reads.shown(self.store, row.batch, which, room, rev)
        )

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

    def causes(self, row: BatchRow, known: Causes | None = None, pages: int | None = None) -> Causes:
        """Why items failed, grouped; `known` is brought up to date, by at most so many pages."""
        causes = known if known is not None else Causes()
        while (pages is None or pages > 0) and (page := reads.failed(self.store, row.batch, causes.after)):
            causes.add(page)
            pages = None if pages is None else pages - 1
        return causes

    def measured(self, row: BatchRow) -> Measured | None:
        """What the items that have ended say of the rest."""
        return measure(row, reads.ended(self.store, row.batch))

    def outputs(self, row: BatchRow, count: int) -> list[tuple[str, str]]:
        """(key, output as JSON) of some completed items: the first, the last, and between them."""
        done = [item for item in reads.ended(self.store, row.batch) if item.state == "completed"]
        picked = sorted({n * (len(done) - 1) // max(1, count - 1) for n in range(count)}) if done else []
        found = [(done[n].key, reads.output(self.store, row.batch, done[n].seq)) for n in picked]
        return [(key, output.decode()) for key, output in found if output is not None]

    def unknown(self, row: BatchRow) -> list[UnknownRow]:
        """Attempts that may have been billed."""
        return reads.unknown(self.store, row.batch)

    def endings(self, row: BatchRow) -> dict[tuple[str, str], int]:
        """How many attempts ended in each (state, kind of fault)."""
        return reads.endings(self.store, row.batch)

    def write_off(self, row: BatchRow) -> int:
        """Count every unknown worst case as spent; picodollars. Raises UsageError while the batch runs."""
        if batches.is_running(self.store, row):
            message = f"{row.id} is running"
            raise UsageError(message, hint="stop it first, then write off")
        with self._leased(row) as now:
            return batches.write_off(self.store, now, RealClock().utc_us())

    def wish(self, row: BatchRow, kind: str, data: dict[str, Any], who: str) -> int:
        """Ask something of the running batch."""
        return batches.wish(self.store, row.batch, kind, data, who, RealClock().utc_us())

    def ask(self, row: BatchRow, kind: str, data: dict[str, Any], who: str, patience_s: float) -> str | None:
        """File a wish and wait for the runner's answer; None when none came in time, or the runner is gone."""
        wish = self.wish(row, kind, data, who)
        clock = RealClock()
        end_s = clock.now_s() + patience_s
        while (answer := self.answered(wish)) is None and clock.now_s() < end_s and self.alive(row):
            sleep(ANSWER_STEP_S)
        return answer if answer is not None else self.answered(wish)

    def alive(self, row: BatchRow) -> bool:
        """Does a live process hold this batch?"""
        return batches.is_running(self.store, self.now(row))

    def runner_pid(self, row: BatchRow) -> int | None:
        """The process that holds this batch, None when none does."""
        now = self.now(row)
        return batches.runner_pid(self.store, now) if batches.is_running(self.store, now) else None

    def running(self) -> BatchRow:
        """The newest batch that runs; the newest at all when none does. Raises UsageError."""
        rows = self.newest()
        return next((row for row in rows if self.alive(row)), None) or self.find(None)

    def wait(self, row: BatchRow, timeout_s: float | None, step_s: float) -> bool:
        """Until no process holds the batch, at most `timeout_s`: has it ended?"""
        clock = RealClock()
        end_s = None if timeout_s is None else clock.now_s() + timeout_s
        while self.alive(row):
            if end_s is not None and clock.now_s() >= end_s:
                return False
            sleep(step_s)
        return True

    def set_limits(self, row: BatchRow, limits: Limits, who: str, reason: str = "") -> None:
        """Change the limits of a batch at rest. Raises UsageError for a cap below what is committed."""
        with self._leased(row) as now:
            batches.set_limits(self.store, now, limits, RealClock().utc_us(), who, reason)

    def cancel(self, row: BatchRow) -> BatchRow:
        """End a batch at rest for good. What its last runner had on its way when it died is unknown from now on."""
        with self._leased(row) as now:
            return batches.cancel(self.store, now, RealClock().utc_us())

    @contextmanager
    def _leased(self, row: BatchRow) -> Iterator[BatchRow]:
        """The batch as it is while nobody else can run it; its dead runner's calls are unknown. Raises LeaseHeld."""
        epoch, lock = batches.take_lease(self.store, row)
        try:
            batches.recover(self.store, self.now(row), epoch, RealClock().utc_us())
            yield self.now(row)
        finally:
            lock.drop()

    def has_jobs(self, row: BatchRow) -> bool:
        """Do jobs of this batch go on at a provider?"""
        return bool(self.store.read("open_jobs", (row.batch,)))

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

"""A batch behind a state file: made, found again by the file, or taken over from it; then run, slice by slice.

The store is the truth, and the file follows it: at most once a second, at once when a slice ends, on Ctrl+C and on
return. One process at a time keeps a file. Where the store is gone, the file's ended items are put into a new batch
with the results that lie beside it, and its money opens the new ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as with_fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from msgspec.structs import replace

from packmule.compose.background import Background
from packmule.compose.checkpoint import facts_of
from packmule.compose.choosing import failed_pages
from packmule.compose.desk import OVER, Desk
from packmule.compose.from_file import Carried, find_batch
from packmule.compose.from_state import as_checkpoint, check_count, check_same, ended_at, saved_rows
from packmule.compose.preparing import Prepared, prepare
from packmule.compose.session import Session, begin
from packmule.compose.slices import Slices
from packmule.config import Order
from packmule.core.batch import Limits, cap_of, identity
from packmule.core.money import dollars_up, usd, usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.engine.clock import RealClock
from packmule.errors import (
    CostLimitExceededError,
    JobProcessingError,
    PackmuleError,
    SourceError,
    StateFileError,
)
from packmule.exports.atomic import place
from packmule.exports.checkpoint import utc_text
from packmule.exports.statefile import Behind, State, StateJob, read_state, write_state
from packmule.store import batches
from packmule.store.lock import RunnerLock

WHO = "python"
POLL_S = 0.2
SAVE_S = 1.0
SHARE = 10
"""Writing the file takes at most a tenth of the time, however large it is."""
_ALL_RIGHT = ("done", "budget", "person", "pilot", "cancelled")
_KINDS = ((b"%PDF", ".pdf"), (b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"GIF8", ".gif"), (b"RIFF", ".webp"))
_log = logging.getLogger("packmule")


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gave beside the order. `contents` is what the state file says of each item."""

    contents: list[Any]
    model: str
    batch_kwargs: dict[str, Any]
    state_path: Path | None
    results_dir: Path | None
    shown_dir: str | None


class Sliced:
    """A batch that stands in the store, and its slices."""

    def __init__(self, order: Order, env: Mapping[str, str], store: Path, given: Given) -> None:
        self.given, self._order, self._clock = given, order, RealClock()
        self._saved_s = self._gap_s = 0.0
        with self._locked():
            self.desk = Desk(store, env)
            prepared = prepare(order, self.desk.store, env)
            self._check_items(prepared)
            path = given.state_path
            state = read_state(path) if path is not None and path.exists() else None
            self.row = self._begun(prepared) if state is None or path is None else self._found(prepared, path, state)
            before = {} if state is None else ended_at(state)
            size = order.limits.items_per_job
            self.slices = Slices(self.desk, self.row, size, given.contents, given.results_dir, before)
            self.save()

    # How it begins

    def _begun(self, prepared: Prepared) -> BatchRow:
        same = batches.of_identity(self.desk.store, identity(prepared.spec, prepared.mark))
        for row in same:
            if spent := row.settled + row.unknown + row.held:
                said = (
                    f"{row.id} over the same items has cost or may have cost {usd_short(spent)}; this one begins afresh"
                )
                _log.warning("%s (packmule resume %s --store %s goes on with that one)", said, row.id, self.desk.path)
                break
        return self._at_rest(begin(prepared, self.desk.store, WHO))

    def _found(self, prepared: Prepared, path: Path, state: State[StateJob]) -> BatchRow:
        """The batch that a state file names, in a store, or made of what the file holds."""
        check_count(path, state, len(self.given.contents))
        behind = state.packmule
        assert behind is not None, "a state file with items names its batch"
        check_same(path, state, behind.facts, prepared)
        here, env = self.desk.path, self.desk.env
        checkpoint = as_checkpoint(state, behind)
        found = find_batch(checkpoint, None, env) or find_batch(checkpoint, here, env)
        if found is None:
            saved = saved_rows(path, state, self.given.results_dir, prepared)
            return self._at_rest(Carried(as_checkpoint(state, behind, saved), prepared, path, 0).begin(self.desk))
        self.desk, row = found
        if row.state == "cancelled":
            message = f"{row.id}, of the state file {path}, was cancelled"
            raise StateFileError(message, hint="remove the file to begin afresh")
        return row

    def _check_items(self, prepared: Prepared) -> None:
        """Every item is one that the source gives. Raises SourceError naming what is not."""
        source = prepared.source
        count = sum(1 for _ in source.items())
        if count != len(self.given.contents):
            why = "; ".join(source.warnings) or f"{counted(source.counts.empty, 'item')} of no text"
            message = f"{counted(len(self.given.contents), 'item')} given, {count:,} can be used: {why}"
            raise SourceError(message, hint="leave out what cannot be used")

    @staticmethod
    def _at_rest(session: Session) -> BatchRow:
        session.close()
        return session.row

    # How it stands

    @property
    def parallel(self) -> int:
        """How many jobs run side by side."""
        return self._order.limits.max_parallel_jobs

    def is_over(self) -> bool:
        """Has every item ended?"""
        return self.desk.now(self.row).pending == 0

    def tokens(self) -> tuple[int, int]:
        """(in, out), as the provider reported them."""
        row = self.desk.now(self.row)
        return row.tokens_in, row.tokens_out

    def write_raw(self, folder: Path) -> None:
        """What the provider wrote for every item, as BATCH_0.json and so on. Raises OutputError."""
        for seq in range(len(self.given.contents)):
            if (raw := self.slices.raw(seq)) is not None:
                place(folder / f"{self.row.id}_{seq}.json", raw)

    # How it runs

    def run(self, on_step: Callable[[], None]) -> None:
        """Drive the batch to an ending; `on_step` is called several times a second.

        Raises CostLimitExceededError, JobProcessingError; KeyboardInterrupt once all is saved.
        """
        with self._locked():
            row = self.desk.now(self.row)
            if row.state in OVER:
                self.slices.refresh()
                self.save()
                return
            self._drive(Background(self._session()), on_step)

    def start(self) -> Background:
        """Drive the batch in the background; nobody follows it with a file."""
        return Background(self._session())

    def retry(self, on_step: Callable[[], None]) -> int:
        """Ask failed and blocked items again, and only those, in a new round; how many they were."""
        with self._locked():
            row = self.desk.now(self.row)
            seqs = sorted(item.seq for page in failed_pages(self.desk.store, row) for item in page)
            if seqs:
                session = self._session()
                now_us = self._clock.utc_us()
                batches.open_round(
                    self.desk.store, session.row, replace(row.round, number=row.round.number + 1), (), now_us, seqs
                )
                if row.state in OVER:
                    batches.set_state(self.desk.store, session.row, "reopen", "retry of failed items", now_us)
                self._drive(Background(session, only=seqs), on_step)
            return len(seqs)

    def _session(self) -> Session:
        """A session of the batch, with parts of its own: those of an earlier one are closed."""
        row = self.desk.now(self.row)
        prepared = prepare(self._order, self.desk.store, self.desk.env)
        limits = prepared.order.limits
        if limits.max_cost is None:
            # A cap that is not given again stays.
            limits = replace(limits, max_cost=row.limits.max_cost)
        committed, cap = row.settled + row.unknown + row.held, cap_of(limits)
        if cap is not None and cap < committed:
            message = f"max_cost {usd(cap)} is below what has been spent or may be owed already"
            raise CostLimitExceededError(message, hint=f"the least it can be is max_cost={dollars_up(committed)}")
        prepared.order = with_fields(prepared.order, limits=limits, out_dir=None)
        prepared.existing, prepared.action = row, "resume"
        return begin(prepared, self.desk.store, WHO)

    def _drive(self, driven: Background, on_step: Callable[[], None]) -> None:
        stopped: BaseException | None = None
        while True:
            try:
                while not driven.join(POLL_S):
                    self._follow()
                    if stopped is None:
                        on_step()
                break
            except BaseException as error:  # noqa: BLE001 - raised again when all is saved
                # Jobs go on at the provider; what is being done here is finished, unless a person asks twice.
                self.desk.wish(self.row, "stop", {"reason": "person", "now": stopped is not None}, WHO)
                stopped = error
        self.slices.refresh()
        self.save()
        if driven.error is not None:
            raise driven.error
        if stopped is not None:
            _log.warning("%s stopped; jobs at the provider go on, and the same call fetches them", self.row.id)
            raise stopped
        self.refuse_early_end(driven)

    @staticmethod
    def refuse_early_end(driven: Background) -> None:
        """Raise JobProcessingError where a run ended for a reason that concerns every job."""
        assert driven.outcome is not None
        ending = driven.outcome.ending
        if ending.reason not in _ALL_RIGHT:
            message = ending.detail or f"the run ended: {ending.reason}"
            raise JobProcessingError(message, hint="the state is saved; the same call goes on")

    def _follow(self) -> None:
        """Bring slices and file up to date, the file no oftener than it is worth."""
        try:
            over = self.slices.refresh()
            if over or self._clock.now_s() >= self._saved_s + max(SAVE_S, self._gap_s):
                self.save()
        except PackmuleError as error:
            # The run goes on: its truth is the store. The last save speaks up.
            _log.warning("%s", error.message)
            self._saved_s = self._clock.now_s()

    # The file

    def save(self) -> None:
        """Write the state as the slices are now. Raises OutputError."""
        begun_s = self._saved_s = self._clock.now_s()
        row, given, now_us = self.desk.now(self.row), self.given, self._clock.utc_us()
        if given.state_path is None:
            return
        cap = self._order.limits.max_cost or row.limits.max_cost
        state = State(
            manager_id=str(uuid5(NAMESPACE_URL, row.id)),
            created_at=_moment(row.created_at),
            model=given.model,
            items_per_job=self._order.limits.items_per_job,
            max_cost=None if cap is None else float(usd(cap)),
            save_results_dir=given.shown_dir,
            batch_kwargs=given.batch_kwargs,
            jobs=[found.job for found in self.slices.found],
            total_cost=float(usd(row.settled)),
            last_updated=utc_text(now_us) or "",
            packmule=Behind(row.id, facts_of(self.desk, row, now_us, None)),
        )
        write_state(given.state_path, state)
        self._gap_s = SHARE * (self._clock.now_s() - begun_s)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process, and one manager in it, keeps a state file at a time. Raises StateFileError."""
        path = self.given.state_path
        if path is None:
            yield
            return
        try:
            lock = RunnerLock(path.with_name(f".{path.name}.lock"))
            mine = lock.take()
        except OSError as error:
            message = f"the state file {path} cannot be written: {error.strerror or error}"
            raise StateFileError(message, hint="choose another place for state_path") from None
        if not mine:
            holder = lock.holder()
            message = f"the state file {path} is in use by another manager{f' (pid {holder})' if holder else ''}"
            raise StateFileError(message, hint="wait for that one, or give another state_path")
        try:
            yield
        finally:
            lock.drop()


def empty_state(given: Given, limits: Limits) -> None:
    """The state file of no items at all. Raises StateFileError where there is one of some."""
    path = given.state_path
    if path is None:
        return
    if path.exists():
        check_count(path, read_state(path), 0)
    cap = None if limits.max_cost is None else float(usd(limits.max_cost))
    now_us = RealClock().utc_us()
    facts = (given.model, limits.items_per_job, cap, given.shown_dir, given.batch_kwargs)
    write_state(path, State(str(uuid4()), _moment(now_us), *facts, [], 0.0, utc_text(now_us) or "", None))


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 10**6, UTC)


def keep_document(folder: Path, data: bytes) -> Path:
    """A document that was given as bytes, kept as a file by its content. Raises OutputError."""
    kind = next((suffix for start, suffix in _KINDS if data.startswith(start)), ".txt")
    path = folder / "documents" / f"{sha256(data).hexdigest()[:32]}{kind}"
    if not path.exists():
        place(path, data)
    return path

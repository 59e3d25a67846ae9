"""A batch's checkpoint file kept up to date beside the run: every 30 s, on pause, and when it ends.

A thread of its own reads the store and writes; the engine never waits for it. Whoever keeps a file holds a lock beside
it, so that two runs never keep one file.
"""

from __future__ import annotations

import atexit
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from packmule.checks import load_schema
from packmule.compose.desk import OVER, Desk
from packmule.config import Order, check_order, checked_limits
from packmule.core.batch import OWN_RECIPES, Spec
from packmule.core.money import usd
from packmule.core.rows import BatchRow
from packmule.engine.clock import RealClock
from packmule.errors import LeaseHeld, PackmuleError, UsageError
from packmule.exports import checkpoint as files
from packmule.exports.atomic import translated
from packmule.exports.checkpoint import (
    ANCESTORS_MAX,
    VERSION,
    Checkpoint,
    Config,
    Counts,
    Facts,
    Failed,
    damaged,
    utc_text,
    write_checkpoint,
)
from packmule.store import carrying
from packmule.store.lock import RunnerLock

STEP_S = 1.0
SAVE_S = 30.0
SHARE = 20
"""Writing takes at most a twentieth of the time, however large the batch."""
_AT_REST = ("stopped", "failed", "cancelled")


class Keeper:
    """Holds the lock of one checkpoint file until `close`; a context manager around a run keeps the file written.

    Raises UsageError for a file that is something else, OutputError where none can be written, LeaseHeld when another
    run keeps it. `before` is what the file held, `shown` its name as typed, `trouble` why the last save failed ('':
    it did not).
    """

    def __init__(self, path: Path, *, resume: bool = False, force: bool = False, save_s: float = SAVE_S) -> None:
        self.path, self.shown, self.resumed = Path(os.path.realpath(path)), path, resume
        if resume or os.path.lexists(path):
            # Looked at before anything is left beside it.
            _read(path, resume=resume, force=force)
        self.trouble = ""
        self._save_s = save_s
        self._lock = RunnerLock(self.path.with_name(f".{self.path.name}.lock"))
        with translated(self.path):
            mine = self._lock.take()
        if not mine:
            message = f"{path} is kept by another run{_by(self._lock.holder())}"
            raise LeaseHeld(message, hint="wait for that one or stop it; or give another name with --checkpoint")
        atexit.register(self.close)
        self.before = _read(path, resume=resume, force=force) if path.exists() else None
        self._clock = RealClock()
        self._over = threading.Event()
        self._saved: tuple[int, str] = (-1, "")
        self._due_s = 0.0
        self._paused_us: int | None = None
        self._thread = threading.Thread(target=self._watch, name="packmule-checkpoint", daemon=True)
        self._desk: Desk
        self._row: BatchRow

    def of(self, desk: Desk, row: BatchRow) -> Self:
        """Keep the file for this batch. The first save is made now, and its trouble is raised."""
        self._desk, self._row = desk, row
        if self.before is not None:
            # What it held is in the store by now.
            self.before = replace(self.before, packmule=replace(self.before.packmule, results=()))
        self.save()
        if (row.id, str(self.path)) not in carrying.noted_checkpoints(desk.store):
            carrying.note_checkpoint(desk.store, row, str(self.path), self._clock.utc_us())
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._try_save(last=True)
        self.close()

    def save(self) -> None:
        """Write the file as the batch is now. Raises OutputError."""
        self._save(self._desk.now(self._row))

    def close(self) -> None:
        """Give the lock back; harmless when done twice."""
        self._lock.drop()

    def _watch(self) -> None:
        while not self._over.wait(STEP_S):
            self._try_save()

    def _try_save(self, *, last: bool = False) -> None:
        try:
            row = self._desk.now(self._row)
            # What lands while a batch pauses is kept at once: who pauses may carry the file away.
            landed = row.state == "paused" and row.rev != self._saved[0]
            if last or landed or row.state != self._saved[1] or self._due(row):
                self._saved, self._due_s = (row.rev, row.state), self._clock.now_s() + self._save_s
                self._save(row)
                self.trouble = ""
        except PackmuleError as error:
            # The run goes on: its truth is the store.
            self.trouble = error.message

    def _due(self, row: BatchRow) -> bool:
        return row.rev != self._saved[0] and self._clock.now_s() >= self._due_s

    def _save(self, row: BatchRow) -> None:
        begun_s, now_us = self._clock.now_s(), self._clock.utc_us()
        self._paused_us = (self._paused_us or now_us) if row.state == "paused" else None
        paused_us = self._paused_us if row.state == "paused" else row.ended_at if row.state in _AT_REST else None
        before = None if self.before is None else self.before.packmule
        known = before if before is not None and before.identity == row.identity else None
        value = checkpoint_of(self._desk, row, now_us, paused_us, known)
        write_checkpoint(self.path, value, carrying.saved_items(self._desk.store, row))
        now_s = self._clock.now_s()
        self._saved, self._due_s = (row.rev, row.state), now_s + max(self._save_s, SHARE * (now_s - begun_s))


def checkpoint_of(desk: Desk, row: BatchRow, now_us: int, paused_us: int | None, before: Facts | None) -> Checkpoint:
    """All but the results. `before` is the same batch's last checkpoint: it knows absolute paths, wherever we are."""
    completed, failed = [], []
    for key, state, reason, attempts in carrying.saved_keys(desk.store, row):
        if state == "completed":
            completed.append(key)
        else:
            failed.append(Failed(key, reason, max(0, attempts - 1)))
    counts = Counts(row.completed, row.failed + row.blocked, row.pending + row.cancelled)
    models = row.spec.models
    return Checkpoint(
        batch_id=row.id,
        created_at=datetime.fromtimestamp(row.created_at // 10**6, UTC),
        paused_at=utc_text(paused_us),
        config=Config(row.source.name, counts.total, models[0].partition("/")[0] if models else None),
        progress=counts,
        completed_personas=tuple(completed),
        failed_personas=tuple(failed),
        cost_so_far=float(usd(row.settled)),
        packmule=facts_of(desk, row, now_us, before),
    )


def facts_of(desk: Desk, row: BatchRow, now_us: int, before: Facts | None) -> Facts:
    """What going on elsewhere needs. `before` knows absolute paths, wherever we are."""
    # What is on its way may be billed although this run should die: for a file it is unknown already.
    unknown = row.unknown + row.held
    return Facts(
        version=VERSION,
        saved_at=utc_text(now_us) or "",
        status=row.state,
        reason=row.reason,
        store=str(desk.path.absolute()),
        identity=row.identity,
        spec=row.spec,
        limits=row.limits,
        source=row.source,
        source_path=before.source_path if before is not None else _there(row.source.name),
        recipe_path=before.recipe_path if before is not None else _recipe_path(row),
        out_dir=str(Path(row.out_dir).absolute()),
        command=row.command,
        settled_pico=str(row.settled),
        unknown_pico=str(unknown),
        unknown_usd=usd(unknown),
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        skipped=row.skipped,
        blocked=row.blocked,
        cancelled=row.cancelled,
        ancestors=carrying.ancestors(desk.store, row)[:ANCESTORS_MAX],
    )


def _there(name: str) -> str | None:
    """The absolute path, None for what is no file or folder (standard input, rows of Python)."""
    return str(Path(name).absolute()) if os.path.exists(name) else None  # noqa: PTH110 - it never raises


def _recipe_path(row: BatchRow) -> str | None:
    """A recipe in a file, named so that it is found from every folder."""
    place, _, function = row.spec.recipe.rpartition(":")
    if row.spec.recipe in OWN_RECIPES or not place.endswith(".py") or _there(place) is None:
        return None
    return f"{Path(place).absolute()}:{function}"


def read_checkpoint(path: Path, *, force: bool = False) -> Checkpoint:
    """The file, with what it says of the batch checked as if it had been typed. Raises UsageError."""
    found = files.read_checkpoint(path, force=force)
    facts = found.packmule
    try:
        checked_limits(facts.limits, str)
        order = Order(facts.source_path)
        take_spec(order, facts.spec)
        check_order(order)
        if order.schema is not None:
            load_schema(order.schema)
        for place in (facts.store, facts.source_path, facts.recipe_path, facts.out_dir, facts.source.name):
            _check_place(place or "")
    except UsageError as error:
        raise damaged(path, error.message) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise damaged(path, f"its schema is no JSON object ({error})") from None
    return found


def take_spec(order: Order, spec: Spec) -> None:
    """Let the order ask for what a batch was made from, its recipe apart."""
    order.prompt, order.system = spec.prompt, spec.system
    order.schema = None if spec.schema is None else msgspec.json.decode(spec.schema, type=dict[str, Any])
    order.models, order.base_url, order.temperature = spec.models, spec.base_url, spec.temperature
    order.max_output_tokens, order.key, order.limit = spec.max_output_tokens, spec.key_column, spec.limit
    order.where, order.skip = spec.where, spec.skip


def _check_place(place: str) -> None:
    """Raise UsageError for what can be no path here: too long, a loop of links, with a NUL."""
    try:
        Path(place).stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        message = f"{place[:80]!r} is no path: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from None


def _read(path: Path, *, resume: bool, force: bool) -> Checkpoint:
    """The checkpoint there. Raises UsageError for a file that is something else: it is not ours to replace."""
    try:
        return read_checkpoint(path, force=force or not resume)
    except UsageError as error:
        if not resume:
            error.hint = "remove it, or give another name with --checkpoint"
        raise


def _by(pid: str) -> str:
    return f" (pid {pid})" if pid else ""


def cancel_file(path: Path) -> None:
    """Mark a checkpoint as cancelled: it is not resumed any more. Raises UsageError for what is over already."""
    keeper = Keeper(path, resume=True, force=True)
    try:
        found = keeper.before
        assert found is not None
        facts = found.packmule
        if facts.status in OVER:
            message = f"{path}: {found.batch_id} is {facts.status} already"
            raise UsageError(message, hint="there is nothing left to cancel")
        marked = replace(facts, status="cancelled", reason="cancelled", results=())
        write_checkpoint(path, replace(found, packmule=marked), iter([list(facts.results)]))
    finally:
        keeper.close()

"""Going on from a checkpoint file: in the store that has its batch, else in a new batch that is given what it holds.

What was typed must mean the same batch, and the input must be what it was. Where a store has the batch, the store is
the truth and the file only names it; without one, ended items are put in with their saved results, and the money that
was spent or may have been opens the new ledger, so that no cap is widened by losing a store.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from packmule.checks import load_schema
from packmule.compose.checkpoint import take_spec
from packmule.compose.desk import Desk
from packmule.compose.going_on import Again, resume
from packmule.compose.parts import Parts
from packmule.compose.preparing import Prepared, prepare
from packmule.compose.results import RESULT_FILES, batch_in
from packmule.compose.session import Session, new_id
from packmule.compose.trust import refuse_far
from packmule.config import OUT, Order, store_path
from packmule.core.batch import DOCUMENT_RECIPES, PROMPT, Plan, changes, refuse_low_cap
from packmule.core.rows import BatchRow
from packmule.errors import LeaseHeld, PackmuleError, SourceError, StoreError, UsageError
from packmule.exports.checkpoint import Checkpoint
from packmule.sources.opening import open_source
from packmule.store import batches, carrying
from packmule.store.lock import RunnerLock

_TYPED = ("prompt", "system", "base_url", "temperature", "max_output_tokens", "limit")
_LISTS = ("where", "skip")


@dataclass(frozen=True, slots=True)
class Carried:
    """A new batch to be made from a checkpoint whose store is gone; `left` of its items are still to be asked."""

    checkpoint: Checkpoint
    prepared: Prepared
    path: Path
    left: int

    @property
    def rest(self) -> int:
        """What the items left may cost at the price of those done, in picodollars; 1 where nobody knows."""
        done = self.checkpoint.progress.completed
        if not self.left or not done:
            return min(1, self.left)
        return max(1, int(self.checkpoint.packmule.settled_pico) * self.left // done)

    def begin(self, store: Desk) -> Session:
        """Make the batch, put in what is done, open its ledger; no call is made before.

        One process at a time: two copies of one file must not become two batches that ask the same.
        """
        old_id = self.checkpoint.batch_id
        lock = RunnerLock(store.store.folder / "locks" / f"take-over.{_line(self.checkpoint)[-1]}.lock")
        if not lock.take():
            message = f"{self.path}: another process is taking its answers over right now"
            raise LeaseHeld(message, hint="type the same command again when it is done")
        try:
            if (taken := carrying.carried_from(store.store, old_id)) is not None:
                message = f"{self.path}: {taken} has taken its answers over meanwhile"
                raise LeaseHeld(message, hint="type the same command again to go on with that")
            for half in carrying.half_carried(store.store, old_id):
                carrying.forget(store.store, half)
            return self._begin(store)
        finally:
            lock.drop()

    def _begin(self, store: Desk) -> Session:
        prepared, facts = self.prepared, self.checkpoint.packmule
        now_us = prepared.parts.clock.utc_us()
        refuse_low_cap(prepared.order.limits, int(facts.settled_pico) + int(facts.unknown_pico))
        batch_id = new_id(now_us)
        there = own_folder(self.checkpoint)
        near = there is not None and os.path.isdir(there.parent.parent)  # noqa: PTH112 - it never raises
        out_dir = prepared.order.out_dir or (there if near else OUT / batch_id)
        plan = Plan(prepared.spec, prepared.mark, prepared.order.limits)
        row = batches.create(store.store, batch_id, plan, facts.command, now_us, fresh=True)
        session = None
        try:
            session = Session(store.store, row, prepared.recipe, prepared.parts, out_dir)
            self._fill(session, now_us)
        except BaseException:
            if session is not None:
                session.close()
            with suppress(PackmuleError):
                # All that it had is in the file still.
                carrying.forget(store.store, row.batch)
            raise
        return session

    def _fill(self, session: Session, now_us: int) -> None:
        facts, line = self.checkpoint.packmule, _line(self.checkpoint)
        if session.replaces in line:
            # Its results are in the new batch.
            session.replaces = None
        money, tokens = (int(facts.settled_pico), int(facts.unknown_pico)), (facts.tokens_in, facts.tokens_out)
        why = f"{line[0]} from {self.path}"
        carrying.carry_money(session.store, session.row, session.epoch, money, tokens, line, why, now_us)
        _Carrier(session, {item.key: item for item in facts.results}, now_us).ingest(self.prepared)
        batches.set_state(session.store, session.row, "reopen", "", now_us)


class _Carrier:
    """Gives each page of items its ends as soon as it is in."""

    def __init__(self, session: Session, saved: dict[str, Any], now_us: int) -> None:
        self._session, self._saved, self._now_us = session, saved, now_us
        self._from = 0

    def ingest(self, prepared: Prepared) -> None:
        """All items in, and those that had ended ended."""
        self._session.ingest(prepared.source, prepared.mark, self._on_page)

    def _on_page(self, seq: int) -> None:
        session = self._session
        carrying.carry_items(session.store, session.row, session.epoch, (self._from, seq), self._saved, self._now_us)
        self._from = seq


def find_batch(checkpoint: Checkpoint, given: Path | None, env: Mapping[str, str]) -> tuple[Desk, BatchRow] | None:
    """The batch in the store typed, else in the one it names, else in the usual one here.

    Where the batch itself is gone, the one that took over what an earlier copy of the file held: it is not paid twice.
    Raises UsageError where another store than the one that has it was typed, StoreError where one cannot be read.
    """
    named = Path(checkpoint.packmule.store)
    if given is None:
        return _in_store(named, checkpoint, env) or _in_store(store_path(None, env), checkpoint, env)
    found = _in_store(given, checkpoint, env)
    if found is None:
        with suppress(StoreError):
            # One that cannot be read is lost to whoever names another.
            elsewhere = _in_store(named, checkpoint, env)
            if elsewhere is not None:
                message = f"{elsewhere[1].id} is in the store {named}, and not in {given}: it would be paid twice"
                raise UsageError(message, hint=f"leave --store out, or type --store {named}")
    return found


def _in_store(path: Path, checkpoint: Checkpoint, env: Mapping[str, str]) -> tuple[Desk, BatchRow] | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"the store {path} cannot be looked into: {error.strerror}"
        raise StoreError(message, hint="make it readable; or, if it is lost, name another with --store") from None
    desk = Desk(path, env, create=False)
    for batch_id in (checkpoint.batch_id, carrying.carried_from(desk.store, checkpoint.batch_id)):
        if batch_id is not None and desk.knows(batch_id):
            return desk, desk.find(batch_id)
    return None


def resume_file(path: Path, checkpoint: Checkpoint, desk: Desk, row: BatchRow, again: Again, who: str) -> Session:
    """A session of the batch in the store. Raises UsageError when it is another one than the file says."""
    if changes(row.spec, checkpoint.packmule.spec):
        message = f"{path} and the store {desk.path} say different things about {row.id}"
        raise UsageError(message, hint=f"packmule resume {row.id} goes by the store")
    again.recipe = again.recipe or checkpoint.packmule.recipe_path
    if checkpoint.batch_id == row.id:
        again.out_dir = again.out_dir or own_folder(checkpoint)
    return resume(desk, row, again, who)


def own_folder(checkpoint: Checkpoint) -> Path | None:
    """Where the file says that results go; None where they would replace what is not this batch's own."""
    folder = Path(checkpoint.packmule.out_dir)
    if batch_in(folder) in _line(checkpoint) or not any(os.path.lexists(folder / name) for name in RESULT_FILES):
        return folder
    return None


def _line(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The batch and all that it stems from, the newest first."""
    return (checkpoint.batch_id, *checkpoint.packmule.ancestors)


def carried(path: Path, checkpoint: Checkpoint, order: Order, desk: Desk) -> Carried:
    """A new batch planned from the file. `order` holds what was typed beside --resume, and the limits."""
    facts = checkpoint.packmule
    spec = facts.spec
    if order.base_url is None:
        refuse_far(spec.base_url, str(path))
    source = order.items or facts.source_path
    if source is None:
        gone = f"its store {facts.store} is gone, and its input {facts.source.name} cannot be read again"
        message = f"{path}: {gone}"
        raise SourceError(message, hint=f"give the same rows as a file: packmule run FILE --resume {path}")
    if not order.items and not _has_rows(source):
        message = f"{path}: its store {facts.store} is gone, and its input {source} is not there either"
        raise SourceError(message, hint=f"say where it is now: packmule run FILE --resume {path}")
    take_spec(order, spec)
    order.items, order.fresh = source, True
    if spec.recipe != PROMPT:
        order.recipe = order.recipe or facts.recipe_path or spec.recipe
    prepared = prepare(order, desk.store, desk.env)
    # By its own names, so that the first command still means this batch.
    prepared.spec = spec
    prepared.mark = msgspec.structs.replace(prepared.mark, name=facts.source.name)
    ended = {row.key for row in facts.results}
    left = sum(1 for item in prepared.source.items() if not item.skip and item.key not in ended)
    return Carried(checkpoint, prepared, path, left)


def _has_rows(place: str) -> bool:
    """Is it a file or a folder? What only a checkpoint names is never read as a pipe or a device."""
    return os.path.isfile(place) or os.path.isdir(place)  # noqa: PTH112, PTH113 - they never raise


def check_typed(path: Path, checkpoint: Checkpoint, order: Order, env: Mapping[str, str]) -> None:
    """Refuse what would be another batch. Raises UsageError naming the option."""
    spec = checkpoint.packmule.spec
    parts = Parts(order.limits, env, base_url=order.base_url or spec.base_url)
    typed: dict[str, object] = {name: getattr(order, name) for name in _TYPED}
    typed |= {name: getattr(order, name) or None for name in _LISTS}
    typed["key_column"] = order.key
    typed["models"] = tuple(parts.canonical(name) for name in order.models) or None
    typed["schema"] = load_schema(order.schema).canonical.decode() if order.schema is not None else None
    for name, value in typed.items():
        if value is not None and value != getattr(spec, name):
            option = order.spell({"key_column": "key", "models": "model"}.get(name, name))
            message = f"{path} is of a batch with another {option}"
            raise UsageError(message, hint=f"leave {option} out, or begin another batch without --resume")


def check_source(path: Path, checkpoint: Checkpoint, given: str | None, *, force: bool) -> str:
    """Is the input as it was? A note when it is not and `force` says to go on; raises SourceError without it."""
    facts = checkpoint.packmule
    place = given or facts.source_path
    if place is None or (given is None and not _has_rows(place)):
        # The store may have all items; where it has not, `carried` says so.
        return ""
    spec = facts.spec
    now = open_source(
        place,
        key=spec.key_column,
        where=spec.where,
        skip=spec.skip,
        limit=spec.limit,
        documents=spec.recipe in DOCUMENT_RECIPES,
    ).fingerprint()
    if now.sha256_hex == facts.source.sha256:
        return ""
    message = f"{place} is not as it was when {path} was written"
    if not force:
        hint = (
            f"packmule run {place} without --resume begins another batch; --resume {path} --force goes on all the same"
        )
        raise SourceError(message, hint=hint)
    return message

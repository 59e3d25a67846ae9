"""Going on from a checkpoint file: in the store that has its batch, else in a new batch that is given what it holds.

What was typed must mean the same batch, and the input must be what it was. Where a store has the batch, the store is
the truth and the file only names it; without one, ended items are put in with their saved results, and the money that
was spent or may have been opens the new ledger, so that no cap is widened by losing a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from packmule.checks import load_schema
from packmule.compose.desk import Desk
from packmule.compose.going_on import Again, resume
from packmule.compose.parts import Parts
from packmule.compose.preparing import Prepared, prepare
from packmule.compose.results import check_folder
from packmule.compose.session import Session, new_id
from packmule.compose.trust import refuse_far
from packmule.config import OUT, Order, store_path
from packmule.core.batch import DOCUMENT_RECIPES, PROMPT, Plan, changes, refuse_low_cap
from packmule.core.rows import BatchRow
from packmule.errors import LeaseHeld, SourceError, UsageError
from packmule.exports.checkpoint import Checkpoint
from packmule.sources.opening import open_source
from packmule.store import batches, carrying
from packmule.store.lock import RunnerLock

_TYPED = ("prompt", "system", "base_url", "temperature", "max_output_tokens", "limit")
_LISTS = ("where", "skip")


@dataclass(frozen=True, slots=True)
class Carried:
    """A new batch to be made from a checkpoint whose store is gone."""

    checkpoint: Checkpoint
    prepared: Prepared
    path: Path

    @property
    def rest(self) -> int:
        """What the items left may cost at the price of those done, in picodollars; 1 where nobody knows."""
        counts = self.checkpoint.progress
        if not counts.completed or not counts.pending:
            return 1 if counts.pending else 0
        return max(1, int(self.checkpoint.packmule.settled_pico) * counts.pending // counts.completed)

    def begin(self, store: Desk) -> Session:
        """Make the batch, put in what is done, open its ledger; no call is made before.

        One process at a time: two copies of one file must not become two batches that ask the same.
        """
        old_id = self.checkpoint.batch_id
        lock = RunnerLock(store.store.folder / "locks" / f"take-over.{old_id}.lock")
        if not lock.take():
            message = f"{self.path}: another process is taking its answers over right now"
            raise LeaseHeld(message, hint="type the same command again when it is done")
        try:
            if (taken := carrying.carried_from(store.store, old_id)) is not None:
                message = f"{self.path}: {taken} has taken its answers over meanwhile"
                raise LeaseHeld(message, hint="type the same command again to go on with that")
            return self._begin(store)
        finally:
            lock.drop()

    def _begin(self, store: Desk) -> Session:
        prepared, facts = self.prepared, self.checkpoint.packmule
        now_us = prepared.parts.clock.utc_us()
        money = int(facts.settled_pico), int(facts.unknown_pico)
        refuse_low_cap(prepared.order.limits, sum(money))
        batch_id = new_id(now_us)
        there = Path(facts.out_dir)
        out_dir = prepared.order.out_dir or (there if there.parent.parent.is_dir() else OUT / batch_id)
        check_folder(out_dir)
        plan = Plan(prepared.spec, prepared.mark, prepared.order.limits)
        row = batches.create(store.store, batch_id, plan, facts.command, now_us, fresh=True)
        session = Session(store.store, row, prepared.recipe, prepared.parts, out_dir)
        if session.replaces == self.checkpoint.batch_id:
            # Its results are in the new batch.
            session.replaces = None
        try:
            tokens = facts.tokens_in, facts.tokens_out
            # Nothing goes on with it while it is half made.
            batches.set_state(store.store, row, "cancel", "not yet taken over", now_us)
            before = self.checkpoint.batch_id, str(self.path)
            carrying.carry_money(store.store, row, session.epoch, money, tokens, before, now_us)
            _Carrier(session, {item.key: item for item in facts.results}, now_us).ingest(prepared)
            batches.set_state(store.store, session.row, "reopen", "", now_us)
        except BaseException:
            session.close()
            raise
        return session


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
    """
    here = store_path(given, env)
    for path in [here] if given is not None else [Path(checkpoint.packmule.store), here]:
        if path.exists():
            desk = Desk(path, env, create=False)
            for batch_id in (checkpoint.batch_id, carrying.carried_from(desk.store, checkpoint.batch_id)):
                row = next((row for row in desk.newest(-1) if row.id == batch_id), None)
                if row is not None:
                    return desk, row
    return None


def resume_file(path: Path, checkpoint: Checkpoint, desk: Desk, row: BatchRow, again: Again, who: str) -> Session:
    """A session of the batch in the store. Raises UsageError when it is another one than the file says."""
    if changes(row.spec, checkpoint.packmule.spec):
        message = f"{path} and the store {desk.path} say different things about {row.id}"
        raise UsageError(message, hint=f"packmule resume {row.id} goes by the store")
    facts = checkpoint.packmule
    again.recipe = again.recipe or facts.recipe_path
    again.out_dir = again.out_dir or Path(facts.out_dir)
    return resume(desk, row, again, who)


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
    if not Path(source).exists():
        message = f"{path}: its store {facts.store} is gone, and its input {source} is not there either"
        raise SourceError(message, hint=f"say where it is now: packmule run FILE --resume {path}")
    order.items, order.prompt, order.system = source, spec.prompt, spec.system
    order.schema = None if spec.schema is None else msgspec.json.decode(spec.schema)
    order.models, order.base_url, order.temperature = spec.models, spec.base_url, spec.temperature
    order.max_output_tokens, order.key, order.limit = spec.max_output_tokens, spec.key_column, spec.limit
    order.where, order.skip, order.fresh = spec.where, spec.skip, True
    if spec.recipe != PROMPT:
        order.recipe = order.recipe or facts.recipe_path or spec.recipe
    prepared = prepare(order, desk.store, desk.env)
    # By its own names, so that the first command still means this batch.
    prepared.spec = spec
    prepared.mark = msgspec.structs.replace(prepared.mark, name=facts.source.name)
    return Carried(checkpoint, prepared, path)


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
    if place is None or (given is None and not Path(place).exists()):
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

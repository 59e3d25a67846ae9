"""One batch's part of the store, in the shape of `core.ports.Journal`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from packmule.core.group import Group
from packmule.core.rows import HeldLine, ItemJournal, ItemRow, JobRecord, Wish
from packmule.store import reads
from packmule.store.sqlite import Store


class BatchJournal:
    """Binds a store to a batch."""

    def __init__(self, store: Store, batch: int) -> None:
        self._store = store
        self._batch = batch

    def commit(self, epoch: int, group: Group) -> int:
        """Make a group durable; the batch's new rev. Raises LeaseLost, StoreFull."""
        return self._store.commit(self._batch, epoch, group)

    def landed(self, group: Group) -> bool:
        """Is a group, whose commit failed, on disk all the same?"""
        return self._store.landed(self._batch, group)

    def reopen(self) -> None:
        """Go on with a fresh handle after a failure."""
        self._store.reopen()

    def gone(self) -> bool:
        """Was the store's file deleted or replaced under us?"""
        return self._store.gone()

    def take_ballast(self) -> bool:
        """Hold space back for a full disk; False when there is none."""
        return self._store.ballast.take()

    def release_ballast(self) -> None:
        """Give that space up."""
        self._store.ballast.release()

    def pending(self, *, begun: bool, after: int, limit: int, only: Sequence[int] | None = None) -> list[ItemRow]:
        """Pending items in input order; with `only`, those of these seqs."""
        return reads.pending(self._store, self._batch, begun=begun, after=after, limit=limit, only=only)

    def of_item(self, seq: int) -> ItemJournal:
        """Calls, attempts and notes of one item."""
        return reads.journal(self._store, self._batch, seq)

    def largest_item(self) -> int:
        """The dearest finished item, in picodollars."""
        return reads.largest_item(self._store, self._batch)

    def open_jobs(self) -> list[JobRecord]:
        """Jobs that may still bring something, oldest first."""
        return [JobRecord(*row) for row in self._store.read("open_jobs", (self._batch,))]

    def held_lines(self, marker: str) -> list[HeldLine]:
        """The lines of a job whose attempts are held."""
        return [HeldLine(*row) for row in self._store.read("held_lines", (marker,))]

    def known_remotes(self) -> set[str]:
        """Every job of this store that has an id at its provider."""
        return {remote for (remote,) in self._store.read("known_remotes")}

    def wishes(self) -> list[Wish]:
        """Wishes not yet answered, oldest first."""
        rows = self._store.read("open_wishes", (self._batch,))
        return [Wish(id_, kind, msgspec.json.decode(data), who) for id_, kind, data, who in rows]

    def bucket(self, model: str) -> tuple[int, dict[str, Any]] | None:
        """(at, data): what a bucket taught an earlier process."""
        row = self._store.one("get_bucket", (model,))
        return None if row is None else (int(row[0]), msgspec.json.decode(row[1]))

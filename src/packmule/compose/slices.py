"""A batch seen as slices: so many items each, in input order, folded from the store as they change.

Slices are for people and files; which items a provider's job truly carries is the engine's business. A slice's results
are on disk before its state says so.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from packmule.compose.desk import Desk
from packmule.core.batch import EXTRACT_CITED
from packmule.core.calls import Answer
from packmule.core.money import usd
from packmule.core.rows import BatchRow, SliceRow
from packmule.exports.atomic import place
from packmule.exports.checkpoint import utc_text
from packmule.exports.slice_files import Processed, raw_path, read_processed, write_processed
from packmule.exports.statefile import ItemStatus, JobStatus, StateItem, StateJob
from packmule.store import reads

if TYPE_CHECKING:
    from packmule.checks.citations import Citation

_ENDED: dict[str, ItemStatus] = {"completed": "succeeded"}
_NULL = msgspec.Raw(b"null")


@dataclass(slots=True)
class Slice:
    """One slice as it was last read. `ends` is when its items ended, by their place; microseconds UTC, picodollars."""

    job: msgspec.Raw = field(default_factory=msgspec.Raw)
    status: JobStatus = "pending"
    cost: int = 0
    started_us: int | None = None
    ended_us: int | None = None
    ends: dict[int, int] = field(default_factory=dict)


class Slices:
    """All slices of a batch. `contents` is what the state file says of each item. Safe to use from several threads."""

    def __init__(
        self, desk: Desk, row: BatchRow, size: int, contents: Sequence[Any], folder: Path | None, before: dict[int, str]
    ) -> None:
        self._desk, self._row, self._size, self._contents, self._folder = desk, row, size, contents, folder
        # When items had ended that were carried over from a file.
        self._before = before
        self._cited = row.spec.recipe == EXTRACT_CITED
        self._rev = -1
        self._lock = threading.Lock()
        self.found = [Slice() for _ in range(-(-len(contents) // size))]
        self.refresh()

    def refresh(self) -> bool:
        """Read what has changed; has a slice come to its end since?"""
        with self._lock:
            rev = self._desk.now(self._row).rev
            open_ = [number for number, found in enumerate(self.found) if found.status == "processing"]
            changed = reads.changed_slices(self._desk.store, self._row.batch, self._size, self._rev)
            fresh = range(len(self.found)) if self._rev < 0 else sorted({*open_, *changed})
            over = [self._read(number) for number in fresh]
            self._rev = rev
            return any(over)

    def count(self, status: JobStatus) -> int:
        """How many slices stand so."""
        return sum(found.status == status for found in self.found)

    def times(self) -> list[tuple[int | None, int | None]]:
        """When each slice began and ended, in microseconds UTC."""
        return [(found.started_us, found.ended_us) for found in self.found]

    def outputs(self) -> list[tuple[Any, Any]]:
        """(result, citations) of every item in input order, None where there is none."""
        found = reads.results(self._desk.store, self._row.batch)
        return [self._parted(None if row.output is None else msgspec.json.decode(row.output))[:2] for row in found]

    def _parted(self, output: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - any JSON value
        """(result, citations, unsupported) of an output."""
        if not self._cited or output is None:
            return output, None, []
        return output["result"], output["citations"], output["unsupported"]

    def raw(self, seq: int) -> bytes | None:
        """What the provider wrote for an item, None where nothing came."""
        answer = reads.last_answer(self._desk.store, self._row.batch, seq)
        return None if answer is None else msgspec.json.decode(answer, type=Answer).raw.encode() or answer

    def _read(self, number: int) -> bool:
        first = number * self._size
        rows, remote = reads.slice_of(self._desk.store, self._row.batch, first, first + self._size)
        old = self.found[number]
        new = Slice(status=_status(rows), cost=sum(row.cost for row in rows))
        new.ends = {row.seq - first: row.ended_at or 0 for row in rows if row.state != "pending"}
        new.started_us = min((row.started_at for row in rows if row.started_at), default=None)
        over = new.status in {"completed", "failed"}
        new.ended_us = max(new.ends.values()) if over else None
        if self._folder is not None and new.ends != old.ends:
            self._write(self._folder, number, rows, new.ends.items() - old.ends.items())
        job = StateJob(
            number,
            remote,
            new.status,
            [self._item(row) for row in rows],
            float(usd(new.cost)),
            utc_text(new.started_us),
            utc_text(new.ended_us),
        )
        new.job = msgspec.Raw(msgspec.json.encode(job))
        self.found[number] = new
        return over and old.status != new.status

    def _item(self, row: SliceRow) -> StateItem:
        ended = row.state != "pending"
        status: ItemStatus = _ENDED.get(row.state, "failed") if ended else "processing" if row.held else "pending"
        cost = float(usd(row.cost)) if ended or row.cost else None
        at = self._before.get(row.seq) or utc_text(row.ended_at) if ended else None
        return StateItem(row.seq, self._contents[row.seq], status, row.reason if ended else None, cost, at)

    def _write(self, folder: Path, number: int, rows: list[SliceRow], fresh: AbstractSet[tuple[int, int]]) -> None:
        """Answers of items that have ended, where they are not there yet; then the results of the slice."""
        for at, ended_us in fresh:
            path = raw_path(folder, number, at)
            if path.exists() and path.stat().st_mtime * 1e6 >= ended_us:
                continue
            if (raw := self.raw(number * self._size + at)) is not None:
                place(path, raw)
        parts = [self._parted(None if row.output is None else msgspec.json.decode(row.output)) for row in rows]
        encode = msgspec.json.encode
        processed = Processed(
            [msgspec.Raw(encode(result)) for result, _, _ in parts],
            [msgspec.Raw(encode(citations)) for _, citations, _ in parts],
            [unsupported for *_, unsupported in parts] if self._cited else None,
        )
        write_processed(folder, number, processed)


def saved_results(folder: Path) -> list[tuple[Any, Any]]:
    """(result, citations) of every item that was saved there, in input order. Raises SourceError for a damaged file."""
    decode = msgspec.json.decode
    pairs = (zip(part.results, part.citations, strict=True) for part in read_processed(folder).values())
    return [(decode(result), decode(citations)) for part in pairs for result, citations in part]


def as_citations(cited: Any) -> dict[str, list[Citation]] | None:  # noqa: ANN401 - any JSON value
    """Citations of one item as values with names."""
    if cited is None:
        return None
    from packmule.checks.citations import Citation  # noqa: PLC0415 - brings along what others do without

    return msgspec.convert(cited, dict[str, list[Citation]])


def _status(rows: list[SliceRow]) -> JobStatus:
    if any(row.held for row in rows if row.state == "pending"):
        return "processing"
    if any(row.state == "pending" for row in rows):
        return "pending"
    return "completed" if any(row.state == "completed" for row in rows) else "failed"

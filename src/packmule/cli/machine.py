"""`--json`: standard output belongs to records, one JSON object a line, and to nothing else.

It is taken at the level of the file descriptor, so that a print in a recipe cannot spoil it; what people read goes to
standard error. A run writes `launch` once the batch is on disk, `progress` at most once a second and on change,
`warning`, and `done` as its last line; a refusal is one `error`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from packmule.cli.whole import Whole
from packmule.core.endings import code_of
from packmule.core.rows import BatchRow
from packmule.errors import PackmuleError
from packmule.views.events import WARNINGS, event_text
from packmule.views.records import progress_record, record

if TYPE_CHECKING:
    from packmule.compose import Desk

STEP_S = 1.0
RETRYABLE = 75


class Records:
    """Standard output as a stream of records."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = Whole(os.dup(1), "wb", closefd=False)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def write(self, value: dict[str, Any]) -> None:
        """One line, whole."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            # Whoever read the records may have left: the run goes on.
            self._out.write(msgspec.json.encode(value) + b"\n")


_records: list[Records] = []


def records() -> Records:
    """The process's one stream; standard output is taken at the first call."""
    if not _records:
        _records.append(Records())
    return _records[0]


def write_error(error: PackmuleError) -> None:
    """The refusal as a record: `kind` is one of the exception tree's names."""
    kind = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(error).__name__).lstrip("_")
    retryable = error.exit_code == RETRYABLE
    said = {"kind": kind, "message": error.message, "hint": error.hint or None, "retryable": retryable}
    records().write({"v": 1, "error": said})


def launch(row: BatchRow, pid: int, store: Path, at_us: int, **more: object) -> dict[str, Any]:
    """Said once the batch is on disk and can be steered."""
    place = {"batch_id": row.id, "pid": pid, "store": str(store), "total": row.total, "pending": row.pending}
    return record("launch", at_us, **place, **more)


class Reporter:
    """A context manager around a run that writes its records. It only reads."""

    def __init__(self, desk: Desk, row: BatchRow) -> None:
        self._desk, self._row = desk, row
        self._over = threading.Event()
        self._last: dict[str, Any] = {}
        self._told = max((id_ for id_, *_ in desk.events(row)), default=0)
        self._thread = threading.Thread(target=self._run, name="packmule-records", daemon=True)

    def __enter__(self) -> Self:
        records().write(launch(self._row, os.getpid(), self._desk.path, self._desk.utc_us()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._warnings()

    def done(self, row: BatchRow, outputs: list[str]) -> None:
        """The last line."""
        said = progress_record(self._desk.progress(row))
        kept = {name: said[name] for name in ("batch_id", "state", "reason", "counts", "cost", "tokens")}
        records().write(record("done", self._desk.utc_us(), **kept, outputs=outputs, exit_code=code_of(row)))

    def _run(self) -> None:
        while not self._over.is_set():
            self._warnings()
            progress = self._desk.progress(self._row)
            said = progress_record(progress)
            seen = {name: said[name] for name in ("label", "counts", "calls", "cost")}
            if seen != self._last:
                self._last = seen
                records().write(record("progress", progress.at, **said))
            self._over.wait(STEP_S)

    def _warnings(self) -> None:
        for id_, at, kind, data in self._desk.events(self._row, self._told):
            self._told = id_
            if kind in WARNINGS:
                said = {"batch_id": self._row.id, "kind": kind, "message": event_text(kind, data)}
                records().write(record("warning", at, **said))

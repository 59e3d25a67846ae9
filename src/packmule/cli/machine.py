"""`--json`: standard output belongs to records, one JSON object a line, and to nothing else.

It is taken at the level of the file descriptor, so that a print in a recipe cannot spoil it; what people read goes to
standard error. A run writes `launch` once the batch is on disk, `progress` at most once a second and on change,
`warning`, and `done` as its last line; a dry run writes one `estimate`, a refusal one `error`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from packmule import compose
from packmule.cli.whole import Whole
from packmule.core.rows import BatchRow
from packmule.errors import PackmuleError
from packmule.views.estimate import Foreseen
from packmule.views.events import WARNINGS, event_text
from packmule.views.records import estimate_record, progress_record, record

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
        self._torn = False

    def write(self, value: dict[str, Any]) -> None:
        """One line, whole."""
        line = msgspec.json.encode(value) + b"\n"
        with self._lock, contextlib.suppress(BrokenPipeError):
            # Whoever read the records may have left: the run goes on.
            try:
                self._out.write(b"\n" + line if self._torn else line)
            except OSError:
                # A full disk took a part of it: the next record begins a line of its own.
                self._torn = True
                raise
            self._torn = False


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
    # A file's name may be no text.
    message, hint = (text.encode(errors="backslashreplace").decode() for text in (error.message, error.hint))
    said = {"kind": kind, "message": message, "hint": hint or None, "retryable": retryable}
    records().write({"v": 1, "error": {**said, "exit_code": error.exit_code}})


def launch(row: BatchRow, pid: int, store: Path, at_us: int, **more: object) -> dict[str, Any]:
    """Said once the batch is on disk and can be steered."""
    place = {"batch_id": row.id, "pid": pid, "store": str(store), "total": row.total, "pending": row.pending}
    return record("launch", at_us, **place, **more)


def write_done(desk: Desk, row: BatchRow, folder: Path | None, code: int) -> None:
    """The last line of a run, also of one that had nothing left to do; `folder` holds its results."""
    said = progress_record(desk.progress(row))
    kept = {name: said[name] for name in ("batch_id", "state", "reason", "counts", "cost", "tokens")}
    outputs = [] if folder is None else [str(folder / name) for name in compose.RESULT_FILES]
    records().write(record("done", desk.utc_us(), **kept, outputs=outputs, exit_code=code))


def write_estimate(desk: Desk, seen: Foreseen, row: BatchRow | None, cap: int | None) -> None:
    """All that a dry run has to say."""
    said = estimate_record(seen, None if row is None else row.id, cap)
    records().write(record("estimate", desk.utc_us(), **said))


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

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                # Where they go may be full for a while; the last record says so if it still is.
                self._tell()
            self._over.wait(STEP_S)

    def _tell(self) -> None:
        self._warnings()
        progress = self._desk.progress(self._row)
        said = progress_record(progress)
        seen = {name: said[name] for name in ("label", "counts", "calls", "cost")}
        if seen != self._last:
            records().write(record("progress", progress.at, **said))
            self._last = seen

    def _warnings(self) -> None:
        for id_, at, kind, data in self._desk.events(self._row, self._told):
            self._told = id_
            if kind in WARNINGS:
                said = {"batch_id": self._row.id, "kind": kind, "message": event_text(kind, data)}
                records().write(record("warning", at, **said))

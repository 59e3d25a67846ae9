"""The plain progress line: rewritten in place on a terminal, a line now and then elsewhere. It only reads."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Self

from packmule.cli.say import clean
from packmule.core.rows import BatchRow
from packmule.views.progress import progress_line

if TYPE_CHECKING:
    from packmule.compose import Desk

STEP_S = 0.5
QUIET_STEPS = 20


class ProgressLine:
    """A context manager around a run; a thread, so that nothing in the engine waits for a viewer."""

    def __init__(self, desk: Desk, row: BatchRow, *, show: bool) -> None:
        self._desk = desk
        self._row = row
        self._show = show
        self._tty = sys.stderr.isatty()
        self._over = threading.Event()
        self._last = ""
        self._thread = threading.Thread(target=self._run, name="packmule-line", daemon=True)

    def __enter__(self) -> Self:
        if self._show:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._show:
            self._thread.join()
            self._print(final=True)

    def _run(self) -> None:
        step, seen = 0, -1
        while not self._over.wait(STEP_S):
            step += 1
            version = self._desk.version()
            if version != seen and (self._tty or step % QUIET_STEPS == 0):
                seen = version
                self._print(final=False)

    def _print(self, *, final: bool) -> None:
        line = clean(progress_line(self._desk.progress(self._row, live=not final)))
        if line == self._last and not final:
            return
        self._last = line
        start, end = ("\r\x1b[2K", "\n" if final else "") if self._tty else ("", "\n")
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{start}{line}{end}")
            sys.stderr.flush()

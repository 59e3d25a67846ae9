"""The progress block of brief 4 on standard output: redrawn in place on a terminal, once at the end elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Self

from msgspec.structs import replace

from packmule.compose import Sliced
from packmule.core.eta import Forecast
from packmule.manager.outcome import eta_of
from packmule.views.wording import block

EVERY_STEPS = 5
"""One redrawing a second."""


class Printer:
    """Prints how a batch stands while it runs, and once more at its end; nothing unless `shown`."""

    def __init__(self, sliced: Sliced, *, shown: bool) -> None:
        self._sliced = sliced
        self._shown = shown
        self._live = shown and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._steps = self._height = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error too: what was reached stands there, before what went wrong.
        if self._shown and (kind is None or issubclass(kind, KeyboardInterrupt)):
            self._print()

    def step(self) -> None:
        """A moment has passed."""
        if self._live and self._steps % EVERY_STEPS == 0:
            self._print()
        self._steps += 1

    def _print(self) -> None:
        text = progress_text(self._sliced)
        again = f"\x1b[{self._height}F\x1b[J" if self._height else ""
        print(again + text, flush=True)  # noqa: T201 - print_progress says so
        self._height = text.count("\n") + 1 if self._live else 0


def progress_text(sliced: Sliced) -> str:
    """The block: items, jobs, cost, time left while it runs, failed items."""
    progress, slices = sliced.desk.progress(sliced.row), sliced.slices
    eta = eta_of(sliced, progress)
    progress = replace(progress, eta=None if eta is None else Forecast(eta, eta, eta, "session"))
    over = slices.count("completed") + slices.count("failed")
    lines = block(progress).splitlines()
    lines.insert(1, f"Jobs: {over:,}/{len(slices.found):,} completed, {slices.count('processing'):,} in progress")
    if not any(line.startswith("Failed:") for line in lines):
        lines.append("Failed: 0 items")
    return "\n".join(lines)

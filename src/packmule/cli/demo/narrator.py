"""Says what happens while a batch runs, when it is seen to happen, and does what a person would do then.

A line stands above the picture. The steps come in order; each waits for its moment and is left out when that is past.
It sees the batch through the same Progress as every view, and steers it by wishes like any other terminal.
"""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec
from msgspec import Struct

from packmule.cli.say import say
from packmule.views.wording import pace

if TYPE_CHECKING:
    from packmule.compose import Desk
    from packmule.views.progress import Progress

LOOK_S = 0.05
WHO = "demo"


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One line: said once so many items are `done`, the figures of the run have the words of `sees`, and `after_s`.

    With `until` items done it is left out. `wish` is filed with it.
    """

    say: str
    done: int = 0
    until: int | None = None
    sees: str = ""
    after_s: float = 0.0
    wish: str = ""


class Story(Struct, frozen=True, forbid_unknown_fields=True):
    """Steps by the command that they accompany."""

    first: tuple[Step, ...]
    second: tuple[Step, ...]


def load_story(path: Path) -> Story:
    """Read a story file."""
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Story)


class Narrator:
    """A context manager around a command: accompanies the newest batch once it runs."""

    def __init__(self, desk: Desk, steps: tuple[Step, ...], pace: float) -> None:
        self._desk, self._steps, self._pace = desk, steps, pace
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="packmule-demo", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for step in self._steps:
            if self._moment(step):
                say(f"# {step.say}")
                if step.wish:
                    self._desk.wish(self._desk.newest(1)[0], step.wish, {"reason": WHO}, WHO)

    def _moment(self, step: Step) -> bool:
        """Wait for it; False when it is past, or the command has ended."""
        while not self._over.wait(LOOK_S):
            progress = self._progress()
            if progress is None:
                continue
            if step.until is not None and progress.done >= step.until:
                return False
            if progress.done >= step.done and step.sees in _seen(progress):
                return not self._over.wait(step.after_s * self._pace)
        return False

    def _progress(self) -> Progress | None:
        rows = self._desk.newest(1)
        progress = self._desk.progress(rows[0]) if rows else None
        return progress if progress is not None and progress.running else None


def _seen(progress: Progress) -> str:
    return " | ".join([progress.label, *pace(progress)])

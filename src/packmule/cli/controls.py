"""What keys do while a batch runs: each asks for something by a wish, and says at once what was asked.

P pause or go on, Q stop, D more or less detail, E errors, + and - the number of calls in flight, ? help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packmule.cli.screen.glyphs import Glyphs
from packmule.cli.screen.layout import cut, styled
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.views.causes import Cause, Causes

if TYPE_CHECKING:
    from rich.text import Text

    from packmule.compose import Desk
    from packmule.views.progress import Progress

HELP = (
    "P  pause: calls on their way finish, nothing new begins; P again goes on",
    "Q  stop: calls on their way finish, the same command goes on later (Ctrl+C does the same)",
    "D  with the table of items, or two lines",
    "E  why items failed, grouped",
    "+  more calls at once    -  fewer",
    "?  this help; any of it works from another terminal too: packmule pause, stop, set",
)
SHOWN_STEPS = 24
PAGES = 4
"""Of failed items, for one picture: it must not wait for a hundred thousand of them."""
WHO = "key"
STEERING = "pq+=-"


class Controls:
    """`mode` and `errors` are what the person wants to see now."""

    def __init__(self, desk: Desk, row: BatchRow, mode: str) -> None:
        self._desk, self._row = desk, row
        self._progress: Progress | None = None
        self._note, self._note_steps = "", 0
        self._width: int | None = None
        self._help = False
        self.mode = mode
        self.errors = False
        self._causes = Causes()

    def see(self, progress: Progress) -> None:
        """How the batch stands now; a note fades after some pictures."""
        self._progress = progress
        if progress.label == "paused" and self._note.startswith("Pausing"):
            self._note = "Paused. P goes on."
        self._note_steps -= 1
        if self._note_steps <= 0:
            self._note = ""

    def causes(self) -> list[Cause]:
        """Why items have failed by now; what is known already is not read again."""
        return self._desk.causes(self._row, self._causes, PAGES).groups

    def over(self) -> None:
        """The last picture is of the batch alone."""
        self._note, self._help, self.errors = "", False, False

    def note_lines(self, width: int, glyphs: Glyphs) -> list[Text]:
        """What is said below the picture."""
        said = [*([self._note] if self._note else []), *(HELP if self._help else ())]
        return [styled((f" {cut(line, width - 1, glyphs)}", "yellow")) for line in said]

    def press(self, keys: str) -> None:
        """Do what each key asks."""
        acts: dict[str, Any] = {
            "p": self._pause,
            "q": self._stop,
            "d": self._detail,
            "e": self._errors,
            "+": self._wider,
            "=": self._wider,
            "-": self._narrower,
            "?": self._show_help,
        }
        for key in keys.lower():
            act = acts.get(key)
            if self._progress is not None and self._progress.label == "stopping" and key in STEERING:
                act = self._is_stopping
            if act is not None and self._progress is not None and self._progress.running:
                act(self._progress)

    def _say(self, note: str) -> None:
        self._note, self._note_steps = note, SHOWN_STEPS

    def _wish(self, kind: str, data: dict[str, Any]) -> None:
        self._desk.wish(self._row, kind, data, WHO)

    def _pause(self, progress: Progress) -> None:
        if progress.state == "paused":
            self._wish("unpause", {})
            self._say("Going on.")
        else:
            self._wish("pause", {"reason": "key P"})
            self._say(f"Pausing: {counted(progress.in_flight, 'call')} in flight, no new calls. P goes on.")

    def _stop(self, progress: Progress) -> None:
        self._wish("stop", {"reason": "person"})
        calls = counted(progress.in_flight, "call")
        self._say(f"Stopping: {calls} finish; go on with: packmule resume {progress.batch_id}")

    def _is_stopping(self, progress: Progress) -> None:
        calls = counted(progress.in_flight, "call")
        self._say(f"Stopping already: {calls} finish; packmule stop {progress.batch_id} --now drops them")

    def _detail(self, progress: Progress) -> None:
        del progress
        self.mode = "compact" if self.mode == "detailed" else "detailed"

    def _errors(self, progress: Progress) -> None:
        self.errors = not self.errors
        if self.errors and not (progress.failed or progress.blocked):
            self.errors = False
            self._say("No item has failed.")

    def _wider(self, progress: Progress) -> None:
        now = self._width or progress.concurrency
        self._set_width(now + max(1, now // 4))

    def _narrower(self, progress: Progress) -> None:
        now = self._width or progress.concurrency
        self._set_width(max(1, now - max(1, now // 5)))

    def _set_width(self, width: int) -> None:
        self._width = width
        self._wish("limits", {"concurrency": width})
        self._say(f"At most {counted(width, 'call')} at once from now on.")

    def _show_help(self, progress: Progress) -> None:
        del progress
        self._help = not self._help

"""Shows a batch while it runs, in one of the modes, and takes keys. It only reads; what a key asks for is a wish.

A thread of its own, so that nothing in the engine waits for a viewer. At most four pictures a second, and only when
something in them changed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live

from packmule.cli.controls import Controls
from packmule.cli.keys import Keys, keys_of_terminal, restore_terminal
from packmule.cli.say import one_line, say
from packmule.cli.screen.detailed import compact, detailed, rows_for
from packmule.cli.screen.errors import error_lines
from packmule.cli.screen.glyphs import glyphs_for
from packmule.core.rows import BatchRow
from packmule.views.events import WARNINGS, event_text
from packmule.views.wording import block

if TYPE_CHECKING:
    from types import FrameType

    from rich.text import Text

    from packmule.compose import Desk
    from packmule.views.progress import Progress

Mode = Literal["auto", "detailed", "compact", "quiet", "log", "none"]
STEP_S = 0.25
LOG_STEP_S = 30.0
LOG_SHARE = 5
LOG_SILENCE_S = 300.0
ROOMY = (100, 24)
NAMES = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM")
LEAVING = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
"""What ends a process unless it is caught. While a run catches some of them, they are the run's."""


def mode_for(mode: Mode, console: Console) -> Mode:
    """What `auto` means here; a picture needs a terminal that can move its cursor."""
    drawable = console.is_terminal and not console.is_dumb_terminal
    if mode == "auto":
        if not drawable:
            return "log"
        return "detailed" if console.width >= ROOMY[0] and console.height >= ROOMY[1] else "compact"
    return "log" if mode in {"detailed", "compact"} and not drawable else mode


class Display:
    """A context manager around a run, or around watching one."""

    def __init__(self, desk: Desk, row: BatchRow, mode: Mode, *, refresh_s: float = STEP_S, costs: bool = True) -> None:
        self._desk, self._row = desk, row
        self._console = Console(stderr=True, highlight=False)
        self._mode = mode_for(mode, self._console)
        self._glyphs = glyphs_for(getattr(sys.stderr, "encoding", None))
        self._step_s = max(STEP_S, refresh_s)
        self._costs = costs
        self._drawn = self._mode in {"detailed", "compact"}
        self._keys: Keys | None = keys_of_terminal() if self._drawn else None
        self._controls = Controls(desk, row, self._mode)
        self._live: Live | None = None
        self._over = threading.Event()
        self._lock = threading.RLock()
        self._last: tuple[object, ...] = ()
        self._width = self._console.width
        self._logged: tuple[float, int, str] = (-LOG_SILENCE_S, -LOG_SHARE, "")
        self._elapsed_s = 0.0
        self._told = max((id_ for id_, *_ in desk.events(row)), default=0)
        self._thread = threading.Thread(target=self._run, name="packmule-display", daemon=True)
        self._old: dict[int, object] = {}

    def __enter__(self) -> Self:
        if self._mode in {"quiet", "none"}:
            return self
        if self._drawn:
            self._watch_signals()
            self._open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if signal.SIGTSTP in self._old:
            # The last picture is not stopped in its middle.
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        self._over.set()
        if self._keys is not None:
            self._keys.wake()
        try:
            if self._thread.is_alive():
                self._thread.join()
            with contextlib.suppress(OSError):
                self._end()
        finally:
            self._close_anyhow()
            if self._keys is not None:
                self._keys.close()
            for number, handler in self._old.items():
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _end(self) -> None:
        if self._mode not in {"quiet", "none"}:
            self._warn()
        if self._drawn:
            self._controls.over()
            self._draw(self._progress())
            self._close()
        elif self._mode == "log":
            self._print(self._progress())

    def _open(self) -> None:
        if self._keys is not None:
            self._keys.take()
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._keys is not None:
            self._keys.give_back()

    def _close_anyhow(self) -> None:
        """Also after an ending that was cut short."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._close()
            restore_terminal()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                self._step()

    def _step(self) -> None:
        self._warn()
        if self._drawn:
            with self._lock:
                if self._live is not None:
                    self._draw(self._progress())
            self._controls.press(self._wait())
            return
        self._over.wait(self._step_s)
        self._elapsed_s += self._step_s
        if self._elapsed_s - self._logged[0] >= min(LOG_STEP_S, LOG_SILENCE_S):
            self._print_when_due(self._progress())

    def _wait(self) -> str:
        if self._keys is None:
            self._over.wait(self._step_s)
            return ""
        return self._keys.wait(self._step_s)

    def _progress(self) -> Progress:
        room = rows_for(self._console.height) if self._mode == "detailed" else 0
        return self._desk.progress(self._row, room=room)

    def _warn(self) -> None:
        """What happened that a person should know at once stands above the picture, or in the log."""
        for id_, _, kind, data in self._desk.events(self._row, self._told):
            self._told = id_
            if kind in WARNINGS:
                say(f"Warning: {one_line(event_text(kind, data))}.")

    def _draw(self, progress: Progress) -> None:
        self._controls.see(progress)
        lines = self._picture(progress)
        width = self._console.width
        seen = (width, *(line.plain for line in lines))
        if seen == self._last or self._live is None:
            return
        if width < self._width:
            # What was drawn has been folded by the terminal: begin on a clean screen.
            self._console.control(Control.clear(), Control.home())
        self._width, self._last = width, seen
        self._live.update(Group(*lines), refresh=True)

    def _picture(self, progress: Progress) -> list[Text]:
        width, height = self._console.width, self._console.height
        below = self._controls.note_lines(width, self._glyphs)
        if self._controls.errors:
            below += error_lines(self._controls.causes(), width, self._glyphs)
        if self._controls.mode == "compact":
            return [*compact(progress, width, self._glyphs), *below]
        room = max(1, rows_for(height) - len(below))
        return [*detailed(progress, width, room, self._glyphs, keys=self._keys is not None, costs=self._costs), *below]

    def _print_when_due(self, progress: Progress) -> None:
        at_s, share, label = self._logged
        now = int(progress.share)
        silent_s = self._elapsed_s - at_s
        if (
            progress.label != label
            or silent_s >= LOG_SILENCE_S
            or (silent_s >= LOG_STEP_S and now - share >= LOG_SHARE)
        ):
            self._print(progress)

    def _print(self, progress: Progress) -> None:
        self._logged = (self._elapsed_s, int(progress.share), progress.label)
        text = block(progress)
        if self._last != (text,):
            # The end of a short run may have been said a moment before.
            self._last = (text,)
            say(text)

    def _watch_signals(self) -> None:
        """No signal that stops or ends the process leaves the terminal as a picture needs it."""
        if threading.current_thread() is threading.main_thread():
            self._old[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_stop)
            for number in LEAVING:
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._old[number] = signal.signal(number, _on_leave)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl+Z gives the terminal back before the process stops; going on takes it again."""
        del number, frame
        with self._lock:
            self._close()
            # Not SIGTSTP again: the system ignores that where no shell watches over the process group.
            signal.raise_signal(signal.SIGSTOP)
            # Here again after SIGCONT.
            self._last = ()
            self._open()


def _on_leave(number: int, frame: FrameType | None) -> None:
    """Give the terminal back, then do what the signal does by itself: what is on disk is whole at any time."""
    del frame
    restore_terminal()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

"""Single keys from a terminal while a batch runs, and the terminal given back whatever happens.

Only when a person can press them: the screen is a terminal, and we are the foreground process of it; a background job
that reads its terminal would be stopped by the system. When standard input is data, keys come from the terminal itself.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator

Attributes = list[int | list[bytes | int]]
SCREEN = 2
SCREEN_PATIENCE_S = 1.0
SHOW_CURSOR = b"\x1b[?25h\n"


class Keys:
    """`wait` returns the keys pressed; `give_back` and `take` switch the terminal's mode, any number of times."""

    def __init__(self, fd: int, *, ours: bool) -> None:
        self._fd = fd
        self._ours = ours
        self._before: Attributes = termios.tcgetattr(fd)
        self._taken = False
        self._wake, self._waker = os.pipe()

    def take(self) -> None:
        """Keys come at once and are not echoed."""
        if not self._taken and in_foreground(self._fd):
            # At once, and not after what is still to be shown: a slow screen would make us wait, and a signal fail.
            tty.setcbreak(self._fd, termios.TCSANOW)
            self._taken = True
            _given_out.append(self)
            atexit.register(restore_terminal)

    def give_back(self) -> None:
        """The terminal as it was."""
        if self._taken:
            self._taken = False
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
            _given_out.remove(self)
            atexit.unregister(restore_terminal)

    def wait(self, timeout_s: float) -> str:
        """Keys pressed within `timeout_s`; returns early when `wake` is called."""
        watched = [self._wake, *([self._fd] if self._taken and in_foreground(self._fd) else [])]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._wake in ready:
            os.read(self._wake, 64)
        if self._fd not in ready:
            return ""
        try:
            data = os.read(self._fd, 64)
        except OSError:
            data = b""
        if not data:
            # The terminal is gone: nobody will press a key there again.
            self._taken = False
        return data.decode("utf-8", "ignore")

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        os.write(self._waker, b"w")

    def close(self) -> None:
        """Give everything back; not to be used again."""
        self.give_back()
        for fd in (self._wake, self._waker, *([self._fd] if self._ours else [])):
            with contextlib.suppress(OSError):
                os.close(fd)


_given_out: list[Keys] = []


def restore_terminal() -> None:
    """The terminal as it was and its cursor shown, at once and from anywhere, a signal handler too.

    Past every buffer, which may be in use, and without waiting long for a screen that takes nothing.
    """
    for keys in _given_out[:]:
        keys.give_back()
    with contextlib.suppress(OSError):
        if os.isatty(SCREEN) and select.select([], [SCREEN], [], SCREEN_PATIENCE_S)[1]:
            os.write(SCREEN, SHOW_CURSOR)


def in_foreground(fd: int) -> bool:
    """May we read this terminal without being stopped?"""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def keys_of_terminal() -> Keys | None:
    """Keys of the person at the screen, None when there is none."""
    if not sys.stderr.isatty():
        return None
    try:
        if sys.stdin.isatty():
            fd, ours = sys.stdin.fileno(), False
        else:
            fd, ours = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY), True
        return Keys(fd, ours=ours) if in_foreground(fd) else None
    except (OSError, termios.error, ValueError):
        return None


@contextlib.contextmanager
def kept_terminal() -> Iterator[None]:
    """Around another program: afterwards the terminal is as it was and its cursor shown, even if that was killed."""
    fd = next((stream.fileno() for stream in (sys.stdin, sys.stderr) if stream.isatty()), None)
    before = None if fd is None else termios.tcgetattr(fd)
    try:
        yield
    finally:
        if fd is not None and before is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(fd, termios.TCSANOW, before)
            restore_terminal()

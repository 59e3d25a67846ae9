"""A real pseudo-terminal around the real command, and a screen that is read as a person reads it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Self

import pyte

from tests.cli.command import CLEAN

PATIENCE_S = 30.0


class Terminal:
    """Runs a command with its own terminal of `columns` x `rows`. `raw` is every byte it wrote.

    With `bytes_per_s` it is read slowly; with `blocking` false, as after a program that left it so.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        columns: int = 110,
        rows: int = 30,
        env: dict[str, str] | None = None,
        bytes_per_s: int | None = None,
        blocking: bool = True,
    ):
        self.raw = b""
        self._bytes_per_s = bytes_per_s
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            time.sleep(0.05)
            os.set_blocking(2, blocking)
            command = [sys.executable, "-m", "packmule", *words]
            os.execve(sys.executable, command, {**CLEAN, "TERM": "xterm-256color", **(env or {})})
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._fd)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).strip("\n")

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def look(self, seconds: float) -> str:
        """Read for so long; the screen then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(0.05):
            pass
        return self.text

    def wait_for(self, *texts: str) -> str:
        """Until all of these stand on the screen."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if all(text in self.text for text in texts):
                return self.text
            if not self._read(0.05) and not all(text in self.text for text in texts):
                break
        raise AssertionError(f"{texts} not seen in:\n{self.text}")

    def end(self) -> int:
        """Until it has ended: the exit code, negative for a signal."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self._read(0.05):
                    pass
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it did not end:\n{self.text}")

    @property
    def restored(self) -> bool:
        """Is the terminal as it was before the command?"""
        return termios.tcgetattr(self._fd) == self.before

    def _read(self, timeout_s: float) -> bool:
        """False at the end of all output."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._fd, 64 if self._bytes_per_s else 65_536)
        except OSError:
            return False
        if self._bytes_per_s:
            time.sleep(len(data) / self._bytes_per_s)
        self.raw += data
        self._stream.feed(data)
        return bool(data)

"""The runner's lock: an flock held for the life of the process, one file an epoch.

The kernel frees it when the process ends, however it ends: a free lock means a dead runner, whatever its pid says.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class RunnerLock:
    """An exclusive lock on one file. Not inherited across exec."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def take(self) -> bool:
        """True when it is ours now; False when a live process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def holder(self) -> str:
        """The pid written into the file, for the message; empty when there is none."""
        try:
            return self.path.read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def drop(self) -> None:
        """Give it back and remove the file."""
        if self._fd >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

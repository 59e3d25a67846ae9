"""A file that holds disk space back, so that paid answers on their way can be kept when the disk fills up."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SIZE = 8 * 1024 * 1024


class Ballast:
    """Kept beside the store; given up once when a commit finds no space, taken again when there is some."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> bool:
        """Reserve the space; False when the disk has none to give."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, SIZE)
        except OSError:
            os.ftruncate(fd, 0)
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> None:
        """Give the space up."""
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)

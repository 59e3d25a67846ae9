"""Lines of a file that are on disk when `add` returns. What the provider has written down outlives every client."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path


class KeptLines:
    """Appends to a file; lines that come while the disk works are written and synced together."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = _whole_lines(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # A line that was being written when its process died must not be glued to the next one.
        os.ftruncate(self._file, len(whole))
        self._waiting: list[bytes] = []
        self._added = self._synced = 0
        self._writing = threading.Lock()
        self._turn = asyncio.Lock()

    async def add(self, *lines: bytes) -> None:
        """Return when the lines, without their line breaks, are on disk. The first who waits writes for all."""
        self._waiting.extend(line + b"\n" for line in lines)
        self._added += len(lines)
        mine = self._added
        async with self._turn:
            if self._synced < mine:
                await asyncio.to_thread(self._write)

    def close(self) -> None:
        """Write what waits and close the file."""
        self._write()
        os.close(self._file)

    def _write(self) -> None:
        with self._writing:
            lines, self._waiting = self._waiting, []
            left = memoryview(b"".join(lines))
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
            self._synced += len(lines)


def kept_lines(path: Path) -> list[bytes]:
    """The lines of such a file. A last line that was being written is left out: nobody was told of it."""
    return _whole_lines(path).splitlines()


def _whole_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]

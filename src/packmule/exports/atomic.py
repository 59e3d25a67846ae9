"""A file is replaced whole or not at all: temporary file beside it, fsync, rename, fsync of the folder.

Whoever reads the path sees the old bytes or the new ones, never a mixture, whatever dies in between. This is
the one place that opens files for writing in `exports`, and the one that turns the system's refusals into a
sentence.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from packmule.errors import OutputError, OutputFull

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BUFFER_BYTES = 1 << 18
STALE_S = 3_600
NAME_MAX = 100

_numbers = count()


class OutputFile(BufferedWriter):
    """A file being written that knows the path it will become: `write` raises OutputError naming it."""

    def __init__(self, raw: FileIO, path: Path) -> None:
        super().__init__(raw, BUFFER_BYTES)
        self.path = path

    def write(self, data: ReadableBuffer, /) -> int:
        """Append the bytes."""
        with translated(self.path):
            return super().write(data)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What the system refuses about `path` is an OutputError."""
    try:
        yield
    except OSError as error:
        raise _refusal(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[OutputFile]:
    """A file that becomes `path` when the block ends without an error. Makes the folder if need be.

    Raises OutputError when it cannot be written; the old file is then as it was.
    """
    with translated(path):
        target = _target(path)
        file, partial = _temporary(path, target)
    try:
        yield file
        with translated(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            partial.replace(target)
            _sync_folder(target.parent)
    finally:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def place(path: Path, data: bytes) -> None:
    """Replace a file that can be made again: whole or not at all, and no disk is waited for. Raises OutputError."""
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        partial.write_bytes(data)
        partial.replace(path)


def _target(path: Path) -> Path:
    """The file behind `path`, links followed, its folder made."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        message = f"{path} is a folder, and a file is to be written there"
        raise OutputError(message, hint="give the name of a file")
    if target.exists() and not target.is_file():
        message = f"{path} is not a regular file, and cannot be replaced whole"
        raise OutputError(message, hint="give the name of a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _temporary(path: Path, target: Path) -> tuple[OutputFile, Path]:
    """An open hidden file beside `target`, with its permissions."""
    prefix = f".{target.name[:NAME_MAX]}."
    partial = target.parent / f"{prefix}{os.getpid()}-{next(_numbers)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(partial, flags, 0o666)
    _sweep(target.parent, prefix, os.fstat(handle).st_mtime)
    if target.exists():
        partial.chmod(target.stat().st_mode & 0o7777)
    return OutputFile(FileIO(handle, "wb"), path), partial


def _sweep(folder: Path, prefix: str, now_s: float) -> None:
    """Remove what killed writers left behind an hour ago or longer."""
    with suppress(OSError):
        for old in folder.iterdir():
            if old.name.startswith(prefix) and old.name.endswith(".tmp"):
                with suppress(OSError):
                    if old.stat().st_mtime < now_s - STALE_S:
                        old.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system has a way."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refusal(path: Path, error: OSError) -> OutputError:
    hints = {
        errno.ENOSPC: "free some space and give the same command again: nothing is paid twice",
        errno.EACCES: "choose another place with -o",
        errno.EROFS: "choose another place with -o",
    }
    message = f"{path} cannot be written: {error.strerror or error}"
    kind = OutputFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else OutputError
    return kind(message, hint=hints.get(error.errno or 0, ""))

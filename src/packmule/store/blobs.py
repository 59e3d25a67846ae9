"""Parts too large for the journal (images, documents): files named by their content, written once, fsynced."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from packmule.errors import StoreError


class BlobFiles:
    """Content-addressed files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep `data`; returns its sha256 in hex. The same bytes are written once."""
        name = sha256(data).hexdigest()
        path = self._path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes of `name`. Raises StoreError when the file is gone or damaged."""
        try:
            data = self._path(name).read_bytes()
        except OSError as error:
            message = f"the attached file {name[:12]} is not in the store any more ({error.strerror})"
            raise StoreError(message, hint="restore .packmule/blobs from a backup") from None
        if sha256(data).hexdigest() != name:
            message = f"the attached file {name[:12]} in the store is damaged"
            raise StoreError(message, hint="restore .packmule/blobs from a backup")
        return data

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        temporary = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

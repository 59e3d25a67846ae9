"""What can be read only once (standard input, a pipe, a generator) is first written to a file.

The file is named by its digest: the same bytes give the same file, so that the same command finds its batch
again. Without a spool folder the file lives in the system's temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from packmule.errors import SourceError
from packmule.sources.textfile import CHUNK_BYTES


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's bytes to its end."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def spool(chunks: Iterable[bytes], folder: Path | None, suffix: str = "") -> Path:
    """Write `chunks` to `<sha256><suffix>` in `folder` and return its path.

    Raises SourceError when it cannot.
    """
    where = folder or Path(tempfile.gettempdir()) / f"packmule-spool-{os.getuid() if hasattr(os, 'getuid') else 0}"
    partial: str | None = None
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = sha256()
        handle, partial = tempfile.mkstemp(prefix=".spool-", dir=where)
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        path = where / f"{digest.hexdigest()}{suffix}"
        if not path.exists():  # the same bytes may be in use by another runner
            Path(partial).replace(path)
            partial = None
    except OSError as error:
        message = f"the input could not be copied to {where}: {error.strerror or error}"
        raise SourceError(message, hint="free some space, or give the input as a file") from error
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
    return path

"""Output that arrives whole, however slowly it is read.

A terminal or a pipe may take only a part of what it is given, or nothing at once where another program has made it
non-blocking; Python's own streams then lose the rest, or raise.
"""

from __future__ import annotations

import io
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Whole(io.FileIO):
    """A file whose `write` returns when all is written."""

    def write(self, data: Buffer, /) -> int:
        """All of it. Raises OSError where nobody can take it any more."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            count = super().write(rest)
            if count is None:
                select.select([], [self], [])
            else:
                rest = rest[count:]
        return size

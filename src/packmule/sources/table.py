"""What every input becomes: an origin (bytes with a digest) and a table (columns and a stream of rows).

A format module makes a `Table`; `source.py` puts keys, filters and the limit on top, the same for all
formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

Row = dict[str, Any]
Pair = tuple[Any, Row]
"""(the id as given or None, the row)."""


class Fingerprint(Struct, frozen=True):
    """Digest of a source's bytes. `extendable`: rows may be appended and the old rows stay the same rows."""

    sha256_hex: str
    size_bytes: int
    extendable: bool


@dataclass(slots=True)
class Counts:
    """What one iteration met. `rows` are the non-empty ones, filtered ones included.

    `renamed` are duplicate ids made unique, `unnamed` rows whose id cell was blank, `yielded` items not
    skipped.
    """

    rows: int = 0
    empty: int = 0
    renamed: int = 0
    unnamed: int = 0
    filtered: int = 0
    yielded: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`pairs(key_column, counts)` starts at the first row each time and adds to `counts.empty` only."""

    columns: list[str]
    pairs: Callable[[str | None, Counts], Iterator[Pair]]
    warnings: list[str] = field(default_factory=list)


class Origin(Protocol):
    """Where the bytes are."""

    def fingerprint(self) -> Fingerprint:
        """Digest and size of the bytes."""
        ...

    def prefix_digest(self, size_bytes: int) -> str | None:
        """sha256 (hex) of the first `size_bytes` bytes when they end where a row ends, else None."""
        ...

    def verify(self) -> None:
        """Raise SourceError when the bytes are no longer those of the fingerprint."""
        ...

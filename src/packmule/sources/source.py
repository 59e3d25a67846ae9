"""A source: a table with keys, filters and a limit on top. Iterating twice gives the same items twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from packmule.core.items import SourceItem
from packmule.sources.keys import Keys
from packmule.sources.table import Counts, Fingerprint, Origin, Row, Table

FILTERED = "filtered"


class Source:
    """`name` is for people, `columns` are the fields seen.

    `counts` and `warnings` are whole after an iteration; before it, `warnings` holds what opening found.
    """

    def __init__(
        self,
        name: str,
        origin: Origin,
        table: Table,
        *,
        key_column: str | None,
        dropped: Callable[[Row], bool] | None,
        limit: int | None,
    ) -> None:
        self.name = name
        self.columns = table.columns
        self.key_column = key_column
        self.counts = Counts()
        self.warnings = list(table.warnings)
        self._origin = origin
        self._table = table
        self._dropped = dropped
        self._limit = limit

    def fingerprint(self) -> Fingerprint:
        """Digest, size and whether rows may be appended."""
        return self._origin.fingerprint()

    def prefix_digest(self, size_bytes: int) -> str | None:
        """sha256 (hex) of the first bytes when they end where a row ends, else None.

        An older source of that size is a prefix of this one when its digest is this.
        """
        return self._origin.prefix_digest(size_bytes)

    def items(self, start: int = 0) -> Iterator[SourceItem]:
        """The items in input order, without the first `start` ones, which are read again but not yielded.

        A filtered row is yielded with `skip="filtered"`. Raises SourceError where the input cannot be read.
        """
        return islice(self._stream(), start, None)

    def _stream(self) -> Iterator[SourceItem]:
        counts = self.counts = Counts()
        self.warnings = list(self._table.warnings)
        keys = Keys(counts, lambda: (given for given, _ in self._table.pairs(self.key_column, Counts())))
        self._origin.verify()
        yield from self._items(counts, keys)
        self._origin.verify()
        self.warnings += keys.warnings(self.key_column)

    def _items(self, counts: Counts, keys: Keys) -> Iterator[SourceItem]:
        dropped, limit = self._dropped, self._limit
        for given, row in self._table.pairs(self.key_column, counts):
            counts.rows += 1
            number = counts.rows
            keyless = given is None and self.key_column is None
            key = str(number) if keyless else keys.key(given, number)
            if dropped is not None and dropped(row):
                counts.filtered += 1
                yield SourceItem(key, row, FILTERED)
                continue
            counts.yielded += 1
            yield SourceItem(key, row)
            if counts.yielded == limit:
                return

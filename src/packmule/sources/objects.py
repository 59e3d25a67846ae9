"""Python objects as a source: a list of str, dict or (key, dict), a dataframe, an Arrow table.

Every row is made plain JSON first, and the digest is over those rows as JSON lines: the same rows give the
same source, whatever held them, and rows appended to a list extend it. What can be iterated only once is
spooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from packmule.errors import SourceError, UsageError
from packmule.sources.cells import all_blank
from packmule.sources.jsonlines import fields_of, row_of
from packmule.sources.table import Counts, Fingerprint, Pair, Row, Table

FRAME_ROWS = 10_000
PAIR_LENGTH = 2

_decode = msgspec.json.decode


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a dataframe holds
    """What msgspec does not know: numpy and pandas scalars, arrays, dates, other mappings."""
    if type(value).__name__ in {"NAType", "NaTType"}:  # how pandas says None
        return None
    for name in ("isoformat", "tolist", "item"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(type(value).__name__)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def json_line(value: object, where: str) -> bytes:
    """The value as one JSON line without its end. Raises SourceError when JSON cannot hold it."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        message = f"{where} cannot be written as JSON: {reason}"
        raise SourceError(message, hint="rows hold strings, numbers, booleans, None, lists and dicts") from None


def json_row(value: object, where: str) -> Row:
    """The row as plain JSON values."""
    return row_of(_decode(json_line(value, where)))


def split_pair(value: object) -> Pair:
    """`[key, {row}]` into its parts; any other value is a row without a key."""
    if type(value) is list and len(value) == PAIR_LENGTH and type(value[1]) is dict:
        return value[0], value[1]
    return None, row_of(value)


def rows_of(given: Any) -> Callable[[], Iterator[Any]] | None:  # noqa: ANN401 - duck typing is the point
    """A function that iterates `given` from its first row, or None when it can be iterated only once."""
    if callable(getattr(given, "iter_rows", None)):
        return lambda: given.iter_rows(named=True)
    if callable(getattr(given, "to_dict", None)) and hasattr(given, "iloc"):
        return lambda: _frame_rows(given)
    if callable(getattr(given, "to_batches", None)):
        return lambda: (row for batch in given.to_batches() for row in batch.to_pylist())
    if isinstance(given, (Mapping, bytes, bytearray)) or not isinstance(given, Iterable):
        message = f"items of type {type(given).__name__} are not understood"
        raise UsageError(message, hint="give a path, a list of str, dict or (key, dict), or a dataframe")
    return None if iter(given) is given else lambda: iter(given)


def _frame_rows(frame: Any) -> Iterator[Any]:  # noqa: ANN401 - a pandas DataFrame
    for start in range(0, len(frame), FRAME_ROWS):
        yield from frame.iloc[start : start + FRAME_ROWS].to_dict("records")


def spooled_rows(path: Path) -> Callable[[], Iterator[Any]]:
    """The rows of a spooled file, for `ObjectRows`."""

    def rows() -> Iterator[Any]:
        with path.open("rb") as file:
            yield from map(_decode, file)

    return rows


class ObjectRows:
    """Rows held by the caller: both origin and table. They must not change while the batch reads them."""

    def __init__(self, rows: Callable[[], Iterator[Any]], name: str) -> None:
        self._rows = rows
        self.name = name
        self._fingerprint: Fingerprint | None = None

    def lines(self) -> Iterator[bytes]:
        """Every row as a JSON line with its end; the digest is over these."""
        for number, value in enumerate(self._rows(), 1):
            yield json_line(value, f"{self.name}, row {number}") + b"\n"

    def table(self) -> Table:
        """Columns are the fields of the first rows."""

        def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
            return pairs_of(map(_decode, self.lines()), key_column, counts)

        columns = fields_of(row for _, row in pairs(None, Counts()))
        return Table(columns, pairs)

    def fingerprint(self) -> Fingerprint:
        """Digest over the rows as JSON lines; computed once."""
        if self._fingerprint is None:
            digest, size = sha256(), 0
            for line in self.lines():
                digest.update(line)
                size += len(line)
            self._fingerprint = Fingerprint(digest.hexdigest(), size, extendable=True)
        return self._fingerprint

    def prefix_digest(self, size_bytes: int) -> str | None:
        """Digest of the first rows when they are exactly `size_bytes` long as JSON lines."""
        digest, size = sha256(), 0
        for line in self.lines():
            if size >= size_bytes:
                break
            digest.update(line)
            size += len(line)
        return digest.hexdigest() if size == size_bytes and size else None

    def verify(self) -> None:
        """Objects are not checked again."""


def pairs_of(values: Iterable[Any], key_column: str | None, counts: Counts) -> Iterator[Pair]:
    """Decoded values as rows with their given keys; a key column, when named, wins over a (key, row) pair."""
    for value in values:
        key, row = split_pair(value)
        if not row or all_blank(row.values()):
            counts.empty += 1
        else:
            yield (key if key_column is None else row.get(key_column)), row

"""Every item has a key of its own: the given id, else the row's number, with -2, -3 ... when it is taken.

Taken keys are remembered as 64-bit hashes, so that a million of them take about 80 MB whatever their length.
Two different keys of a million share a hash once in 10^7 inputs; one is then needlessly called `-2`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from packmule.core.nearest import listing, suggestion
from packmule.errors import SourceError
from packmule.sources.cells import key_text
from packmule.sources.table import Counts

SHOWN = 3


def key_column(wanted: str | None, columns: Sequence[str], name: str) -> str | None:
    """The id column: the one named, else `id` in any case, else None. Raises SourceError when absent."""
    if wanted is None:
        ids = [column for column in columns if column.strip().casefold() == "id"]
        return "id" if "id" in ids else next(iter(ids), None)
    if wanted not in columns:
        message = f"{name} has no column {wanted!r} for --key{suggestion(wanted, columns)}"
        raise SourceError(message, hint=f"columns: {listing(columns)}")
    return wanted


class Keys:
    """Hands out keys for one iteration and counts what it had to change.

    `given` yields every id of the input; it is read once, when a row lacks its id, so that the number which stands
    for it never takes the id of another row.
    """

    def __init__(self, counts: Counts, given: Callable[[], Iterable[Any]]) -> None:
        self._counts = counts
        self._given = given
        self._owned: set[int] | None = None
        self._taken: set[int] = set()
        self._copies: dict[int, int] = {}
        self.examples: list[tuple[str, str]] = []

    def key(self, given: Any, number: int) -> str:  # noqa: ANN401 - an id may be any JSON value
        """The key of the row with this 1-based number."""
        key = given if type(given) is str else key_text(given)
        missing = not key or key.isspace()
        if missing:
            self._counts.unnamed += 1
            key = str(number)
            if self._owned is None:
                self._owned = {hash(known if type(known) is str else key_text(known)) for known in self._given()}
        mark = hash(key)
        if mark in self._taken or (missing and mark in (self._owned or ())):
            return self._copy(key, mark, missing=missing)
        self._taken.add(mark)
        return key

    def _copy(self, key: str, mark: int, *, missing: bool) -> str:
        number = self._copies.get(mark, 2)
        owned = self._owned or ()
        while (found := hash(f"{key}-{number}")) in self._taken or found in owned:
            number += 1
        if number > 2:  # noqa: PLR2004 - most duplicates come in twos and need no entry
            self._copies[mark] = number + 1
        unique = f"{key}-{number}"
        self._taken.add(hash(unique))
        if not missing:
            self._counts.renamed += 1
            if len(self.examples) < SHOWN:
                self.examples.append((key, unique))
        return unique

    def warnings(self, column: str | None) -> list[str]:
        """What was changed, for a person."""
        of = f" in column {column!r}" if column is not None else ""
        said = []
        if renamed := self._counts.renamed:
            shown = ", ".join(f"{key!r} became {unique!r}" for key, unique in self.examples)
            dots = " ..." if renamed > len(self.examples) else ""
            was = "1 duplicate id{} was" if renamed == 1 else f"{renamed:,} duplicate ids{{}} were"
            said.append(f"{was.format(of)} made unique: {shown}{dots}")
        if unnamed := self._counts.unnamed:
            rows = "1 row has" if unnamed == 1 else f"{unnamed:,} rows have"
            said.append(f"{rows} no id{of}; the row's number stands for it")
        return said

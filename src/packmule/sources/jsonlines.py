"""JSON Lines: one object a line. Another value becomes `{"text": value}`; null and {} are empty rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from packmule.errors import SourceError
from packmule.sources.cells import all_blank
from packmule.sources.table import Counts, Pair, Row, Table
from packmule.sources.textfile import TextFile

LOOK_AHEAD_ROWS = 1_000
DEPTH_PROBLEM = "the value is nested too deeply to be read"
SURROGATE_PROBLEM = "a string holds half of a \\ud800 ... \\udfff pair, which is not text"

_decode = msgspec.json.decode


def open_json_lines(text: TextFile) -> Table:
    """The table of a JSON Lines file; columns are the fields of its first rows, in the order they appear."""
    text.refuse_long_line()
    text.extendable = True

    def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
        with text.open() as file:
            for row in json_rows(text.name, file, counts):
                yield (None if key_column is None else row.get(key_column)), row

    return Table(fields_of(row for _, row in pairs(None, Counts())), pairs, text.warnings)


def fields_of(rows: Iterable[Row]) -> list[str]:
    """Field names of the first `LOOK_AHEAD_ROWS` rows, in order of appearance."""
    return list(dict.fromkeys(field for row in islice(rows, LOOK_AHEAD_ROWS) for field in row))


def row_of(value: Any) -> Row:  # noqa: ANN401 - any JSON value
    """A JSON value as a row: an object is itself, null is the empty row."""
    if type(value) is dict:
        return value
    return {} if value is None else {"text": value}


def json_rows(name: str, lines: Iterable[str], counts: Counts) -> Iterator[Row]:
    """The non-empty rows of `lines`. Raises SourceError with line and column for one that is not JSON."""
    for number, line in enumerate(lines, 1):
        try:
            row = row_of(_decode(line))
        except (ValueError, RecursionError):
            row = {} if line.isspace() else row_of(_reread(line, f"{name}, line {number}"))
        if row and not all_blank(row.values()):
            yield row
        else:
            counts.empty += 1


def _reread(line: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Second look at a refused line: NaN and Infinity, which Python writes, are null; else say where."""
    try:
        value = json.loads(line, parse_constant=lambda _: None)
    except RecursionError:
        message = f"{where}: {DEPTH_PROBLEM}"
        raise SourceError(message) from None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        column = getattr(error, "pos", 0) + 1
        message = f"{where}, column {column}: this is not valid JSON: {getattr(error, 'msg', error)}"
        raise SourceError(message, hint="each line must hold one JSON object") from None
    if not is_text(value):
        message = f"{where}: {SURROGATE_PROBLEM}"
        raise SourceError(message)
    return value


def is_text(value: object) -> bool:
    """False when a string in `value` holds half of a surrogate pair: it could never be written again."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True

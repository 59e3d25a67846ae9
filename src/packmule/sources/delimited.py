"""CSV and TSV: the first row names the columns, every other row has as many cells, else it is an error.

The delimiter is decided by the header and the first row alone, so that appended rows never change how the old
ones are read. Quotes are read strictly: one that is never closed would otherwise swallow rows in silence.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import NoReturn, TextIO

from packmule.core.nearest import listing
from packmule.errors import SourceError
from packmule.sources.cells import all_blank
from packmule.sources.table import Counts, Pair, Table
from packmule.sources.textfile import FIELD_MAX, LINE_MAX, TextFile, opened

DELIMITERS = ",;\t|"
HEADER_CELL_MAX = 200
QUOTE_HINT = "put cells that hold the delimiter or a line break in double quotes"


class Dialect(csv.Dialect):
    """Strict RFC 4180; a subclass per file sets the delimiter."""

    delimiter = ","
    quotechar = '"'
    doublequote = True
    lineterminator = "\r\n"
    quoting = csv.QUOTE_MINIMAL
    strict = True


def head_rows(sample: str, delimiter: str, count: int) -> list[list[str]]:
    """The first non-blank rows of a sample, read leniently; the last may be cut."""
    rows = csv.reader(StringIO(sample, newline=""), delimiter=delimiter)
    return list(islice((row for row in rows if not all_blank(row)), count))


def sniff_delimiter(sample: str) -> str:
    """The delimiter under which header and first row agree on the most columns; a comma when none splits."""

    def score(delimiter: str) -> tuple[bool, int]:
        widths = [len(row) for row in head_rows(sample, delimiter, 2)]
        return len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0

    return max(DELIMITERS, key=score)


def open_delimited(text: TextFile, delimiter: str | None = None) -> Table:
    """The table of a CSV or TSV file.

    Raises SourceError for an empty or binary file and one without a header.
    """
    sample = text.sample()
    mark = delimiter or sniff_delimiter(sample)
    spaced = f'{mark} "' in sample and f'{mark}"' not in sample
    dialect = type("FileDialect", (Dialect,), {"delimiter": mark, "skipinitialspace": spaced})
    _refuse_long_line(text, mark)
    with text.open(newline="") as file:
        header = next(_rows(text, file, dialect, Counts()), None)
    if header is None:
        message = f"{text.name} is empty: a CSV file begins with a row of column names"
        raise SourceError(message)
    columns, warnings = _named(header, text.name)
    text.extendable = True

    def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
        with text.open(newline="") as file:
            rows = _rows(text, file, dialect, counts, columns)
            next(rows, None)
            counts.empty = 0
            if key_column is None:
                yield from ((None, dict(zip(columns, row, strict=False))) for row in rows)
            else:
                at = columns.index(key_column)
                yield from ((row[at], dict(zip(columns, row, strict=False))) for row in rows)

    return Table(columns, pairs, text.warnings + warnings)


def _named(header: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """Column names that are there, short and unique, and a warning for each change."""
    columns: list[str] = []
    taken: set[str] = set()
    warnings: list[str] = []
    for number, cell in enumerate(header, 1):
        column = wanted = cell.strip()
        if len(column) > HEADER_CELL_MAX:
            message = f"{name}, line 1, column {number}: {len(column):,} characters are no name"
            raise SourceError(message, hint="the first row must hold the column names")
        if not column:
            column = f"column_{number}"
            warnings.append(f"{name}: column {number} has no name in the header and is called {column!r}")
        copy = 2
        while column in taken:
            column = f"{wanted or f'column_{number}'}-{copy}"
            copy += 1
        if wanted and column != wanted:
            warnings.append(f"{name}: two columns are called {wanted!r}; column {number} is called {column!r}")
        columns.append(column)
        taken.add(column)
    return columns, warnings


def _rows(
    text: TextFile, file: TextIO, dialect: type[Dialect], counts: Counts, columns: Sequence[str] = ()
) -> Iterator[list[str]]:
    """Rows that are not blank, the header first; with `columns`, each must have that many cells."""
    csv.field_size_limit(FIELD_MAX)
    reader = csv.reader(file, dialect)
    width, line = len(columns), 0
    try:
        for row in reader:
            first = row[0] if row else ""
            if (not first or first.isspace()) and all_blank(row):
                counts.empty += 1
            elif width and len(row) != width:
                _refuse_width(f"{text.name}, line {line + 1}", len(row), columns)
            else:
                yield row
            line = reader.line_num
    except csv.Error as error:
        _refuse_row(text, line + 1, str(error), dialect.delimiter)


def _refuse_width(where: str, width: int, columns: Sequence[str]) -> NoReturn:
    cells = "1 cell" if width == 1 else f"{width} cells"
    message = f"{where}: {cells} where the header has {len(columns)} columns: {listing(columns)}"
    raise SourceError(message, hint=QUOTE_HINT)


def _refuse_row(text: TextFile, line: int, problem: str, delimiter: str) -> NoReturn:
    where = f"{text.name}, line {line}"
    if "field larger" in problem:
        with text.open(newline="") as file:
            _refuse_field(where, text, oversized_column(islice(file, line - 1, None), delimiter), delimiter)
    if "unexpected end" in problem:
        message = f"{where}: a double quote is opened in this row and never closed"
    else:
        message = f"{where}: the row is not valid CSV: {problem}"
    raise SourceError(message, hint=QUOTE_HINT)


def _refuse_long_line(text: TextFile, delimiter: str) -> None:
    long = text.survey.long_line
    if long is None:
        return
    with opened(text.path, text.name) as file:
        file.seek(long.offset)
        line = file.read(LINE_MAX).decode(text.encoding, errors="replace")
    column = oversized_column([line], delimiter)
    _refuse_field(f"{text.name}, line {long.number}", text, column, delimiter)


def _refuse_field(where: str, text: TextFile, column: int, delimiter: str) -> NoReturn:
    header = head_rows(text.sample(), delimiter, 1)[0]
    called = f" ({header[column].strip()[:HEADER_CELL_MAX]!r})" if column < len(header) else ""
    message = f"{where}, column {column + 1}{called}: the cell is larger than {FIELD_MAX // 10**6} MB"
    raise SourceError(message, hint="is a double quote never closed? Long documents can be given as a folder of files")


def oversized_column(lines: Iterable[str], delimiter: str) -> int:
    """0-based column of the first cell over `FIELD_MAX` characters in the row that `lines` begin."""
    marks = re.compile(f'["{re.escape(delimiter)}]')
    column = start = offset = 0
    quoted = False
    for line in lines:
        for mark in marks.finditer(line):
            at = offset + mark.start()
            if at - start > FIELD_MAX:
                return column
            if mark[0] == '"':
                quoted = not quoted
            elif not quoted:
                column, start = column + 1, at + 1
        offset += len(line)
        if offset - start > FIELD_MAX:
            return column
    return column

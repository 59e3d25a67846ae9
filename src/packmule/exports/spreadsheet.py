"""CSV that is safe in a spreadsheet: text that it would take for a formula gets an apostrophe.

Such text begins with = + - @ TAB CR or LF (CWE-1236). Numbers stay numbers. UTF-8 without a byte order mark.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import BinaryIO

from packmule.exports.records import COLUMNS, ResultRecord, output_cell

RISKY = frozenset("=+-@\t\r\n")


def safe(cell: str) -> str:
    """The cell as a spreadsheet may have it."""
    return f"'{cell}" if cell and cell[0] in RISKY else cell


class Spreadsheet:
    """Writes the header and pages of records to an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._emit([COLUMNS])

    def write(self, page: Sequence[ResultRecord]) -> None:
        """The next records."""
        self._emit([_row(record) for record in page])

    def close(self) -> None:
        """Nothing is held back."""

    def _emit(self, rows: Sequence[Sequence[object]]) -> None:
        text = StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode("utf-8", "replace"))


def _row(record: ResultRecord) -> tuple[object, ...]:
    output = output_cell(record.output)
    return (
        record.seq,
        safe(record.key),
        record.status,
        safe(output) if type(output) is str else output,
        safe(record.reason),
        record.cost_usd,
        record.tokens_in,
        record.tokens_out,
        record.attempts,
        record.latency_s,
        safe(record.model),
    )

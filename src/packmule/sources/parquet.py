"""Parquet through pyarrow (an extra), a batch of rows at a time.

Dates, decimals and bytes become JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from packmule.errors import SourceError, UsageError
from packmule.sources.cells import all_blank
from packmule.sources.objects import json_row
from packmule.sources.table import Counts, Pair, Table
from packmule.sources.textfile import TextFile

BATCH_ROWS = 4_096


def open_parquet(file: TextFile) -> Table:
    """The table of a Parquet file.

    Raises UsageError without pyarrow, SourceError for what is no Parquet file.
    """
    arrow, module = _pyarrow()
    try:
        with module.ParquetFile(file.path) as sheet:
            columns = [str(name) for name in sheet.schema_arrow.names]
    except (arrow.ArrowException, OSError) as error:
        message = f"{file.name} is not a readable Parquet file: {_first_line(error)}"
        raise SourceError(message) from None

    def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
        with module.ParquetFile(file.path) as sheet:
            batches = _batches(sheet, arrow, file.name)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, raw in enumerate(rows, 1):
                row = json_row(raw, f"{file.name}, row {number}")
                if all_blank(row.values()):
                    counts.empty += 1
                else:
                    yield (None if key_column is None else row.get(key_column)), row

    return Table(columns, pairs)


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        message = "reading Parquet needs pyarrow, which is not installed"
        raise UsageError(message, hint="pip install packmule[parquet]") from None


def _batches(sheet: Any, arrow: Any, name: str) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    try:
        yield from sheet.iter_batches(batch_size=BATCH_ROWS)
    except (arrow.ArrowException, OSError) as error:
        message = f"{name} is a damaged Parquet file: {_first_line(error)}"
        raise SourceError(message) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

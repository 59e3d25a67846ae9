"""Parquet through pyarrow (an extra): a record's columns, the cost an exact decimal, the output text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from importlib import import_module
from typing import Any, BinaryIO

from packmule.errors import UsageError
from packmule.exports.records import COLUMNS, ResultRecord, output_cell

GROUP_ROWS = 20_000
GROUP_BYTES = 32 << 20


class ParquetSheet:
    """Writes pages of records to an open file in row groups. Raises UsageError without pyarrow."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._arrow: Any = import_module("pyarrow")
            module: Any = import_module("pyarrow.parquet")
        except ImportError:
            message = "writing Parquet needs pyarrow, which is not installed"
            raise UsageError(message, hint="pip install packmule[parquet]") from None
        self._schema = self._arrow.schema(_fields(self._arrow))
        self._sheet = module.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def write(self, page: Sequence[ResultRecord]) -> None:
        """The next records; a row group goes out when enough of them are waiting."""
        columns = [_column(name, page) for name in COLUMNS]
        arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._waiting.append(self._arrow.record_batch(arrays, schema=self._schema))
        rows = sum(batch.num_rows for batch in self._waiting)
        if rows >= GROUP_ROWS or sum(batch.nbytes for batch in self._waiting) >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """The last row group and the footer."""
        self._flush()
        self._sheet.close()

    def _flush(self) -> None:
        if self._waiting:
            self._sheet.write_table(self._arrow.Table.from_batches(self._waiting, self._schema))
            self._waiting = []


def _fields(arrow: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - pyarrow has no types
    text, whole = arrow.string(), arrow.int64()
    kinds = {
        "seq": whole,
        "cost_usd": arrow.decimal128(38, 12),
        "tokens_in": whole,
        "tokens_out": whole,
        "attempts": whole,
        "latency_s": arrow.float64(),
    }
    return [(name, kinds.get(name, text)) for name in COLUMNS]


def _column(name: str, page: Sequence[ResultRecord]) -> list[Any]:
    if name == "cost_usd":
        return [Decimal(record.cost_usd) for record in page]
    if name == "output":
        cells = [output_cell(record.output) for record in page]
        return [None if cell is None else str(cell) for cell in cells]
    return [getattr(record, name) for record in page]

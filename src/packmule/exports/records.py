"""What every export says of one item: one record an item, failed ones included, in input order."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class ResultRecord(Struct, frozen=True):
    """`output` is any JSON value, or `msgspec.Raw` of one; `cost_usd` an exact decimal string.

    `reason` says why an item has no output. `latency_s` is the sum over the item's attempts.
    """

    seq: int
    key: str
    status: str
    output: Any
    reason: str
    cost_usd: str
    tokens_in: int
    tokens_out: int
    attempts: int
    latency_s: float
    model: str


COLUMNS = ResultRecord.__struct_fields__

_decode = msgspec.json.decode
_encode = msgspec.json.encode


def output_cell(output: Any) -> str | int | float | None:  # noqa: ANN401 - any JSON value
    """The output in one cell: text and numbers as they are, other values as compact JSON."""
    value = _decode(output) if isinstance(output, msgspec.Raw) else output
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value
    if value is None:
        return None
    return _encode(value).decode()

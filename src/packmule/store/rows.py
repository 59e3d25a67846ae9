"""From SQL columns to the values of `core.rows`."""

from __future__ import annotations

from typing import Any

import msgspec

from packmule.core.batch import Limits, Round, SourceMark, Spec
from packmule.core.rows import BatchRow


def batch_row(columns: tuple[Any, ...]) -> BatchRow:
    """From a row of the `batch_columns` statement."""
    head, (spec, limits, source, round_), tail = columns[:4], columns[4:8], columns[8:]
    command, ingested, notes, *rest = tail
    return BatchRow(
        *head,
        msgspec.json.decode(spec, type=Spec),
        msgspec.json.decode(limits, type=Limits),
        msgspec.json.decode(source, type=SourceMark),
        msgspec.json.decode(round_, type=Round),
        command,
        bool(ingested),
        msgspec.json.decode(notes),
        *rest,
    )

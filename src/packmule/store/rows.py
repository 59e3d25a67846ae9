"""From SQL columns to the values of `core.rows`."""

from __future__ import annotations

from typing import Any

import msgspec

from packmule.core.batch import Limits, Round, SourceMark, Spec
from packmule.core.rows import BatchRow


def batch_row(columns: tuple[Any, ...]) -> BatchRow:
    """From a row of the `batch_columns` statement."""
    values: dict[str, Any] = dict(zip(BatchRow.__struct_fields__, columns, strict=True))
    for name, kind in (("spec", Spec), ("limits", Limits), ("source", SourceMark), ("round", Round)):
        values[name] = msgspec.json.decode(values[name], type=kind)
    values["ingested"] = bool(values["ingested"])
    values["ingest_notes"] = msgspec.json.decode(values["ingest_notes"])
    return BatchRow(**values)

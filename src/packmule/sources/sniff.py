"""Which format a file is: by its extension, and by its content when that says nothing or something else."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

import msgspec

from packmule.sources.cells import all_blank
from packmule.sources.delimited import head_rows, sniff_delimiter
from packmule.sources.textfile import SAMPLE_CHARS

Format = Literal["csv", "tsv", "jsonl", "json", "lines", "parquet"]

PARQUET_MAGIC = b"PAR1"
SAME_WIDTH_ROWS = 20
NAME_CHARS_MAX = 40
TWO = 2

_BY_EXTENSION: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "lines",
    ".text": "lines",
    ".md": "lines",
    ".markdown": "lines",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def format_by_name(path: PurePath) -> Format | None:
    """What the extension says; None when unsure (`.json` may hold an array or lines)."""
    return _BY_EXTENSION.get(path.suffix.lower())


def format_of(sample: str) -> Format:
    """What a text's first characters look like: JSON lines, a JSON document, CSV, or plain lines."""
    head = sample.lstrip()
    if head[:1] in {"{", "["}:
        first, _, rest = head.partition("\n")
        alone = _is_json(first) or (len(first) == len(head) >= SAMPLE_CHARS - 1)
        lines = alone and (head[0] == "{" or _is_json(rest.lstrip().partition("\n")[0]))
        return "jsonl" if lines else "json"
    return "csv" if _is_csv(sample) else "lines"


def _is_json(line: str) -> bool:
    try:
        msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_csv(sample: str) -> bool:
    """At least two rows of one width, two or more, under a header of names rather than prose."""
    rows = head_rows(sample, sniff_delimiter(sample), SAME_WIDTH_ROWS)
    if len(sample) >= SAMPLE_CHARS - 1:
        rows = rows[:-1] if len(rows) < SAME_WIDTH_ROWS else rows
    if len(rows) < TWO or len(rows[0]) < TWO or len({len(row) for row in rows}) != 1:
        return False
    names = rows[0]
    return all(map(_is_name, names)) and len(set(names)) == len(names) and not all_blank(names)


def _is_name(cell: str) -> bool:
    """Short, without white space around it, and not the end of a sentence."""
    return cell == cell.strip() and len(cell) <= NAME_CHARS_MAX and cell[-1:] not in {".", "!", "?"}

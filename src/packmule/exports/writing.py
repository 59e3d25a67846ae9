"""Records into files: one pass feeds every format, and no file is replaced before the last record is read.

Memory holds one page of records, whatever their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, get_args

import msgspec

from packmule.errors import UsageError
from packmule.exports.atomic import replacing
from packmule.exports.jsonl import JsonLines
from packmule.exports.parquet import ParquetSheet
from packmule.exports.records import ResultRecord
from packmule.exports.spreadsheet import Spreadsheet

PAGE_ROWS = 500

Format = Literal["jsonl", "csv", "parquet"]


class Writer(Protocol):
    """One format on one open file."""

    def write(self, page: Sequence[ResultRecord]) -> None:
        """The next records."""
        ...

    def close(self) -> None:
        """What was held back."""
        ...


_WRITERS: dict[str, Callable[[BinaryIO], Writer]] = {
    "jsonl": JsonLines,
    "csv": Spreadsheet,
    "parquet": ParquetSheet,
}


def write_results(
    folder: Path,
    records_factory: Callable[[], Iterable[ResultRecord]],
    summary: Mapping[str, Any],
    formats: Sequence[Format] = ("jsonl", "csv"),
) -> list[Path]:
    """Write `results.<format>` for each format, then `summary.json`, into `folder`; returns their paths.

    Raises OutputError when one cannot be written; files that could not be replaced are as they were.
    """
    paths = [folder / f"results.{kind}" for kind in formats]
    _write(dict(zip(paths, formats, strict=True)), records_factory())
    return [*paths, write_json(folder / "summary.json", summary)]


def write_records(path: Path, records: Iterable[ResultRecord]) -> int:
    """Write one file in the format of its extension; returns the number of records. Raises OutputError."""
    return _write({path: format_of(path)}, records)


def format_of(path: Path) -> Format:
    """The format that the extension names. Raises UsageError for another one."""
    for kind in get_args(Format):
        if path.suffix.lower() == f".{kind}":
            found: Format = kind
            return found
    ending = f"{path.suffix} is no format" if path.suffix else "no extension says a format"
    message = f"{path}: {ending} that results can be written in"
    raise UsageError(message, hint="end it in .jsonl, .csv or .parquet")


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Write one JSON object for people and programs to read: indented, in its own order."""
    with replacing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    return path


def _write(targets: Mapping[Path, Format], records: Iterable[ResultRecord]) -> int:
    written = 0
    with ExitStack() as files:
        writers = [_WRITERS[kind](files.enter_context(replacing(path))) for path, kind in targets.items()]
        pages = iter(records)
        while page := list(islice(pages, PAGE_ROWS)):
            for writer in writers:
                writer.write(page)
            written += len(page)
        for writer in writers:
            writer.close()
    return written

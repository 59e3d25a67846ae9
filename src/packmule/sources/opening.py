"""The one door to every input: a path, `-` or Python rows become a `Source`, or one sentence says why not."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from packmule.core.nearest import nearest
from packmule.errors import SourceError, UsageError
from packmule.sources.delimited import open_delimited
from packmule.sources.filters import row_filter
from packmule.sources.folder import FolderFiles, shown
from packmule.sources.jsondocument import open_json_document
from packmule.sources.jsonlines import open_json_lines
from packmule.sources.keys import key_column
from packmule.sources.objects import ObjectRows, rows_of, spooled_rows
from packmule.sources.parquet import open_parquet
from packmule.sources.sniff import PARQUET_MAGIC, Format, format_by_name, format_of
from packmule.sources.source import Source
from packmule.sources.spool import chunks_of, spool
from packmule.sources.table import Origin, Table
from packmule.sources.textfile import TextFile, opened
from packmule.sources.textlines import open_text_lines

STANDARD_INPUT = "standard input"
OBJECTS = "items"


def open_source(
    given: Any,  # noqa: ANN401 - a path, '-', or rows of any shape
    *,
    key: str | None = None,
    where: Sequence[str] = (),
    skip: Sequence[str] = (),
    limit: int | None = None,
    stdin: BinaryIO | None = None,
    spool_dir: Path | None = None,
    documents: bool = False,
) -> Source:
    """Open a file, a folder, `-` or Python rows as a stream of items.

    With `documents`, `given` is one path or several, and every file below them is one item, PDF and images included.

    `key` names the id column, `where` and `skip` are `COL~REGEX`, `limit` counts items that are not skipped.
    `spool_dir` keeps what can be read only once. Raises SourceError or UsageError with a sentence.
    """
    if limit is not None and limit < 1:
        message = f"--limit {limit} leaves nothing to do"
        raise UsageError(message, hint="give a number of items from 1 up")
    name, origin, table = _documents(given) if documents else _opened(given, stdin, spool_dir)
    if not table.columns:
        message = f"{name}: there are no rows"
        raise SourceError(message)
    return Source(
        name,
        origin,
        table,
        key_column=key_column(key, table.columns, name),
        dropped=row_filter(where, skip, table.columns),
        limit=limit,
    )


def _opened(given: object, stdin: BinaryIO | None, spool_dir: Path | None) -> tuple[str, Origin, Table]:
    if not isinstance(given, (str, Path)):
        return _from_objects(given, spool_dir)
    if str(given) == "-":
        return _from_stdin(stdin, spool_dir)
    if given == "":
        message = "the name of the input is empty"
        raise UsageError(message, hint="give a file, a folder or -")
    return _from_path(Path(given), spool_dir)


def _documents(given: object) -> tuple[str, Origin, Table]:
    paths = [given] if isinstance(given, str | Path) else given
    if not isinstance(paths, list | tuple) or not paths or not all(isinstance(path, str | Path) for path in paths):
        message = f"documents are files and folders, not {given!r:.60}"
        raise UsageError(message, hint="give their paths")
    roots = [Path(path) for path in paths]
    for root in roots:
        if not root.exists():
            raise _missing(root)
    first = shown(str(roots[0]))
    name = first if len(roots) == 1 else f"{first} and {len(roots) - 1} more"
    files = FolderFiles(roots, name, documents=True)
    return name, files, files.table()


def _from_stdin(stdin: BinaryIO | None, spool_dir: Path | None) -> tuple[str, Origin, Table]:
    if stdin is None:
        message = "- means standard input, and there is none here"
        raise UsageError(message, hint="give a file, or pipe the rows in")
    return _from_file(spool(chunks_of(stdin), spool_dir), STANDARD_INPUT, known=None)


def _from_path(path: Path, spool_dir: Path | None) -> tuple[str, Origin, Table]:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise SourceError(message) from None
    if stat.S_ISDIR(mode):
        files = FolderFiles([path], str(path))
        return str(path), files, files.table()
    if not stat.S_ISREG(mode):
        with opened(path, str(path)) as stream:
            return _from_file(spool(chunks_of(stream), spool_dir), str(path), known=None)
    return _from_file(path, str(path), known=format_by_name(path))


def _missing(path: Path) -> SourceError:
    folder = path.parent
    if not folder.is_dir():
        return SourceError(f"{path} does not exist: there is no folder {folder}")
    near = nearest(path.name, sorted(entry.name for entry in folder.iterdir()))
    return SourceError(f"{path} does not exist", hint=f"did you mean {folder / near}?" if near else "")


def _from_file(path: Path, name: str, *, known: Format | None) -> tuple[str, Origin, Table]:
    file = TextFile(path, name)
    if file.survey.size_bytes == 0:
        message = f"{name} is empty"
        raise SourceError(message)
    kind = known or _sniffed(file)
    return name, file, _table(file, kind)


def _sniffed(file: TextFile) -> Format:
    with opened(file.path, file.name) as raw:
        if raw.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
            return "parquet"
    return format_of(file.sample())


def _table(file: TextFile, kind: Format) -> Table:
    match kind:
        case "csv":
            return open_delimited(file)
        case "tsv":
            return open_delimited(file, "\t")
        case "jsonl":
            return open_json_lines(file)
        case "json":
            return open_json_document(file)
        case "parquet":
            return open_parquet(file)
        case "lines":
            return open_text_lines(file)


def _from_objects(given: Any, spool_dir: Path | None) -> tuple[str, Origin, Table]:  # noqa: ANN401
    rows = rows_of(given)
    if rows is None:
        once = ObjectRows(lambda: iter(given), OBJECTS)
        rows = spooled_rows(spool(once.lines(), spool_dir, ".jsonl"))
    objects = ObjectRows(rows, OBJECTS)
    return OBJECTS, objects, objects.table()

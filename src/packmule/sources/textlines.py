"""Plain text: every non-blank line is one row with the one field `text`, white space at its end removed."""

from __future__ import annotations

from collections.abc import Iterator

from packmule.sources.table import Counts, Pair, Table
from packmule.sources.textfile import TextFile


def open_text_lines(text: TextFile) -> Table:
    """The table of a TXT or MD file."""
    text.refuse_long_line()
    text.extendable = True
    text.encoding  # noqa: B018 - refuses binary files now, not at the first row

    def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
        with text.open() as file:
            for raw in file:
                line = raw.rstrip()
                if line:
                    yield (None if key_column is None else line), {"text": line}
                else:
                    counts.empty += 1

    return Table(["text"], pairs, text.warnings)

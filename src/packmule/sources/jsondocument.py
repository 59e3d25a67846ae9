"""A JSON document: an array of rows, or values one after another, read a chunk at a time.

Only the value being read is in memory; one over `FIELD_MAX` characters is an error. Rows cannot be appended
to a document, so it is never extendable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from packmule.errors import SourceError
from packmule.sources.cells import all_blank
from packmule.sources.jsonlines import DEPTH_PROBLEM, SURROGATE_PROBLEM, fields_of, is_text, row_of
from packmule.sources.table import Counts, Pair, Table
from packmule.sources.textfile import FIELD_MAX, TextFile

CHUNK_CHARS = 1 << 16
TAIL_CHARS = 16  # a value broken this close to the end of the buffer may only be cut

_decoder = json.JSONDecoder(parse_constant=lambda _: None)
_gap = re.compile(r"[ \t\r\n]*")


def open_json_document(text: TextFile) -> Table:
    """The table of a JSON array (or of one or more values); columns are the fields of its first rows."""

    def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
        with text.open() as file:
            for value in _Values(file, text.name):
                row = row_of(value)
                if row and not all_blank(row.values()):
                    yield (None if key_column is None else row.get(key_column)), row
                else:
                    counts.empty += 1

    return Table(fields_of(row for _, row in pairs(None, Counts())), pairs, text.warnings)


class _Values:
    """Iterates the values of a document, keeping a window of its text and where the window begins."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name
        self._window = ""
        self._at = 0
        self._ended = False
        self._line = 1
        self._column = 1

    def __iter__(self) -> Iterator[Any]:
        array = self._peek() == "["
        if array:
            self._at += 1
            if self._peek() == "]":
                self._at += 1
                self._finish()
                return
        while self._peek():
            yield self._value()
            if array and self._separator() == "]":
                self._finish()
                return
        if array:
            self._refuse(self._at, "the array is never closed")

    def _more(self) -> None:
        """Drop what is read and append a chunk, or as much again as is there."""
        done = self._window[: self._at]
        lines = done.count("\n")
        self._line += lines
        self._column = len(done) - done.rfind("\n") if lines else self._column + len(done)
        chunk = self._file.read(max(CHUNK_CHARS, len(self._window) - self._at))
        self._ended = not chunk
        self._window = self._window[self._at :] + chunk
        self._at = 0

    def _peek(self) -> str:
        """The next character that is not white space, '' at the end; stands on it."""
        while True:
            self._at = self._skip(self._at)
            if self._at < len(self._window):
                return self._window[self._at]
            if self._ended:
                return ""
            self._more()

    def _skip(self, at: int) -> int:
        found = _gap.match(self._window, at)
        return found.end() if found else at

    def _value(self) -> Any:  # noqa: ANN401 - any JSON value
        while True:
            try:
                value, end = _decoder.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._window) - TAIL_CHARS
                if self._ended or not cut:
                    self._refuse(error.pos, error.msg)
            except RecursionError:
                self._refuse(self._at, DEPTH_PROBLEM)
            except ValueError as error:  # an integer of thousands of digits
                self._refuse(self._at, str(error))
            else:
                if end - self._at <= FIELD_MAX and (end < len(self._window) or self._ended):
                    if not is_text(value):
                        self._refuse(self._at, SURROGATE_PROBLEM)
                    self._at = end
                    return value
            if len(self._window) - self._at > FIELD_MAX:
                self._refuse(self._at, f"this value is larger than {FIELD_MAX // 10**6} MB")
            self._more()

    def _separator(self) -> str:
        mark = self._peek()
        if mark not in {",", "]"}:
            self._refuse(self._at, "Expecting ',' or ']'" if mark else "the array is never closed")
        self._at += 1
        if mark == "," and self._peek() == "]":
            self._refuse(self._at, "a comma before the closing bracket")
        return mark

    def _finish(self) -> None:
        if self._peek():
            self._refuse(self._at, "something follows the closing bracket")

    def _place(self, at: int) -> str:
        lines = self._window.count("\n", 0, at)
        column = at - self._window.rfind("\n", 0, at) if lines else self._column + at
        return f"{self._name}, line {self._line + lines}, column {column}"

    def _refuse(self, at: int, problem: str) -> NoReturn:
        message = f"{self._place(at)}: this is not a valid list of JSON values: {problem}"
        raise SourceError(message, hint="give a JSON array of objects, or one object a line as .jsonl")

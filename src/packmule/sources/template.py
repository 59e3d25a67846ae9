"""Prompt templates: `{column}` is the row's cell, `{{` and `}}` are braces; nothing else has a meaning.

No attributes, indexes or formats: a template from a stranger can read nothing but the row. Every field is
known to be a column before the first row is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from packmule.core.nearest import listing, suggestion
from packmule.errors import SourceError
from packmule.sources.cells import text_of

BRACES_HINT = "write {{ and }} for braces that are no field"
SHOWN_CHARS = 40

_token = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WHOLE_FILE = ["text", "name", "path"]


class Template:
    """A parsed prompt. `fields` are the columns it reads, in order of appearance, each once."""

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        """Raise SourceError for a lone brace and for a field that is no column."""
        self.text = text
        self._parts: list[tuple[str, str | None]] = []
        literal, at = "", 0
        for found in _token.finditer(text):
            literal += text[at : found.start()]
            at = found.end()
            if found[0] in {"{{", "}}"}:
                literal += found[0][0]
            else:
                self._parts.append((literal, _field(text, found, columns)))
                literal = ""
        self._parts.append((literal + text[at:], None))
        self.fields = list(dict.fromkeys(field for _, field in self._parts if field is not None))

    @classmethod
    def of_column(cls, column: str) -> Template:
        """The prompt is the cell of this column, as it is."""
        template = cls("", ())
        template._parts, template.fields = [("", column)], [column]
        return template

    def render(self, data: Mapping[str, Any]) -> str:
        """The prompt of one row; a field that this row lacks is empty."""
        pieces = []
        for literal, field in self._parts:
            pieces.append(literal)
            if field is not None:
                pieces.append(text_of(data.get(field)))
        return "".join(pieces)


def _field(text: str, found: re.Match[str], columns: Sequence[str]) -> str:
    """The column that a token names."""
    line = text.count("\n", 0, found.start()) + 1
    where = f"the prompt, line {line}, column {found.start() - text.rfind(chr(10), 0, found.start())}"
    name: str | None = found[1]
    if name is None:
        message = f"{where}: a lone {found[0]}"
        raise SourceError(message, hint=BRACES_HINT)
    if name in columns:
        return name
    if name.strip() in columns:
        return name.strip()
    shown = name if len(name) <= SHOWN_CHARS else f"{name[:SHOWN_CHARS]} ..."
    message = f"{where}: there is no column for {{{shown}}}{suggestion(name.strip(), columns)}"
    raise SourceError(message, hint=f"columns: {listing(columns)}; {BRACES_HINT}")


def prompt_column(columns: Sequence[str]) -> str:
    """The column that is the prompt when no template is given. Raises SourceError when none can be.

    `task` or `prompt` in any case; `text` when the rows are lines or whole files.
    """
    for wanted in ("task", "prompt"):
        for column in columns:
            if column.strip().casefold() == wanted:
                return column
    if list(columns) in (["text"], _WHOLE_FILE):
        return "text"
    message = f"no column is called 'task' or 'prompt'; the columns are {listing(columns)}"
    raise SourceError(message, hint="say what to ask with --prompt 'Summarise: {column}'")

"""`--where COL~REGEX` keeps, `--skip COL~REGEX` drops; every `where` must hit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from packmule.core.nearest import listing, suggestion
from packmule.errors import UsageError
from packmule.sources.cells import text_of
from packmule.sources.table import Row

Rule = tuple[str, re.Pattern[str]]


def row_filter(where: Sequence[str], skip: Sequence[str], columns: Sequence[str]) -> Callable[[Row], bool] | None:
    """A function that tells whether a row is dropped, or None when nothing filters. Raises UsageError."""
    keeps = [_rule(text, "--where", columns) for text in where]
    drops = [_rule(text, "--skip", columns) for text in skip]
    if not keeps and not drops:
        return None

    def dropped(row: Row) -> bool:
        return any(not _hits(rule, row) for rule in keeps) or any(_hits(rule, row) for rule in drops)

    return dropped


def _hits(rule: Rule, row: Row) -> bool:
    column, pattern = rule
    return pattern.search(text_of(row.get(column))) is not None


def _rule(text: str, option: str, columns: Sequence[str]) -> Rule:
    column, mark, pattern = text.partition("~")
    if not mark:
        message = f"{option} {text!r} has no ~ between the column and the pattern"
        raise UsageError(message, hint=f"write it like {option} 'language~^en'")
    if column not in columns and column.strip() in columns:
        column = column.strip()
    if column not in columns:
        message = f"{option} {text!r}: there is no column {column!r}{suggestion(column, columns)}"
        raise UsageError(message, hint=f"columns: {listing(columns)}")
    try:
        return column, re.compile(pattern)
    except re.error as error:
        message = f"{option} {text!r}: {pattern!r} is not a valid regular expression: {error}"
        raise UsageError(message, hint="special characters are escaped with a backslash, as in \\. or \\(") from None

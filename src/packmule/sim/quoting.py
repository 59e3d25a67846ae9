"""Quotes for values: an array of `{path, quote}` beside other values gets, for each of them, the line that says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from packmule.sim.fields import numbers_in
from packmule.sim.words import name_words, words

_QUOTE_FIELDS = {"path", "quote"}


def asks_for_quotes(schema: dict[str, Any], items: dict[str, Any]) -> bool:
    """Is this an array of `{path, quote}`? `items` is the schema of its items, resolved."""
    return schema.get("type") == "array" and set(items.get("properties", ())) == _QUOTE_FIELDS


def quotes(values: Any, text: str) -> list[dict[str, str]]:  # noqa: ANN401 - any JSON
    """One entry for every value that a line of `text` says; nothing for null."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = []
    for path, value, beside in _leaves(values, "", []):
        saying = [line for line in lines if _says(line, value, path)]
        if saying:
            names = set(name_words(path.replace(".", " ")))

            def fit(line: str, beside: list[Any] = beside, names: set[str] = names) -> tuple[int, int]:
                return sum(_says(line, other, "") for other in beside), len(names & set(words(line)))

            found.append({"path": path, "quote": max(saying, key=fit)})
    return found


def _leaves(value: Any, path: str, beside: list[Any]) -> Iterator[tuple[str, Any, list[Any]]]:  # noqa: ANN401
    """(dotted path, value, values of the same row) of everything that is no object and no list."""
    if isinstance(value, dict):
        inside = list(value.values()) if beside else []
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}".strip("."), inside)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _leaves(part, f"{path}.{place}".strip("."), [part])
    elif value is not None:
        yield path, value, beside


def _says(line: str, value: Any, path: str) -> bool:  # noqa: ANN401 - any JSON
    match value:
        case bool():
            return bool(set(name_words(path)) & set(words(line)))
        case int() | float():
            return value in numbers_in(line)
        case str():
            return bool(value) and value in line
        case _:
            return False

"""Rows of a table in a text: a line of headings that name some fields, and the lines of as many cells below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packmule.sim.words import name_words

GAP_MAX = 6
_CELLS = re.compile(r"\s{2,}|\s*\|\s*|\t+")


def rows(text: str, names: Sequence[str]) -> list[dict[str, str]]:
    """The cells of every row by the field's name; empty when no line names two of the fields."""
    lines = [_CELLS.split(line.strip(" |\t")) for line in text.splitlines()]
    for place, cells in enumerate(lines):
        columns = _columns(cells, names)
        if len(columns) > 1:
            return _below(lines[place + 1 :], cells, columns)
    return []


def _columns(cells: list[str], names: Sequence[str]) -> dict[int, str]:
    """Which field a heading names: the one with the most words in common, each field once."""
    found: dict[int, str] = {}
    for place, cell in enumerate(cells):
        said = set(name_words(cell))
        free = [name for name in names if name not in found.values()]
        best = max(free, key=lambda name: len(said & set(name_words(name))), default=None)
        if best is not None and said & set(name_words(best)):
            found[place] = best
    return found


def _below(lines: list[list[str]], heading: list[str], columns: dict[int, str]) -> list[dict[str, str]]:
    found, gap = [], 0
    for cells in lines:
        gap += 1
        if gap > GAP_MAX:
            break
        if cells != heading and len(cells) == len(heading) and all(cells):
            found.append({name: cells[place] for place, name in columns.items()})
        if len(cells) == len(heading):
            gap = 0
    return found

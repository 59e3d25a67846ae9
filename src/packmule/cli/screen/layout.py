"""Lines cut to a width, in cells: names may be wide, and nothing may wrap."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from packmule.cli.say import clean
from packmule.cli.screen.glyphs import Glyphs


def cut(text: str, width: int, glyphs: Glyphs) -> str:
    """At most `width` cells, without control characters or line breaks."""
    flat = " ".join(clean(text).split())
    if glyphs.more == "..":
        flat = flat.encode("ascii", "replace").decode()
    if cell_len(flat) <= width:
        return flat
    return set_cell_size(flat, max(0, width - len(glyphs.more))).rstrip() + glyphs.more


def padded(text: str, width: int, glyphs: Glyphs, *, right: bool = False) -> str:
    """Exactly `width` cells."""
    short = cut(text, width, glyphs)
    space = " " * (width - cell_len(short))
    return space + short if right else short + space


def joined(parts: list[str], width: int, glyphs: Glyphs) -> str:
    """The parts that fit, the first ones first, a dot between them."""
    line = ""
    for part in parts:
        longer = f"{line} {glyphs.dot} {part}" if line else part
        if not line or cell_len(longer) <= width:
            line = longer
    return cut(line, width, glyphs)


def folded(parts: list[str], width: int, glyphs: Glyphs, lines_max: int) -> list[str]:
    """All parts on as many lines as they take, at most so many."""
    lines: list[list[str]] = [[]]
    for part in parts:
        if lines[-1] and cell_len(f" {glyphs.dot} ".join([*lines[-1], part])) > width:
            lines.append([])
        lines[-1].append(part)
    return [joined(line, width, glyphs) for line in lines[:lines_max] if line]


def styled(*pieces: tuple[str, str]) -> Text:
    """A line of (text, style)."""
    text = Text(no_wrap=True, overflow="crop")
    for piece, style in pieces:
        text.append(piece, style)
    return text

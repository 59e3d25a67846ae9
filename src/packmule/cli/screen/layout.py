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
    """As many of the parts as fit, from the first on, a dot between them."""
    line = ""
    for part in parts:
        longer = f"{line} {glyphs.dot} {part}" if line else part
        if line and cell_len(longer) > width:
            break
        line = longer
    return cut(line, width, glyphs)


def styled(*pieces: tuple[str, str]) -> Text:
    """A line of (text, style)."""
    text = Text(no_wrap=True, overflow="crop")
    for piece, style in pieces:
        text.append(piece, style)
    return text

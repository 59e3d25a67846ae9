"""Symbols of one cell each, in Unicode or, where the stream cannot say that, in ASCII; a word stands beside each."""

from __future__ import annotations

from dataclasses import dataclass

STYLES = {
    "pending": "dim",
    "generating": "cyan",
    "validating": "magenta",
    "retrying": "yellow",
    "paused": "yellow",
    "completed": "green",
    "failed": "red",
    "skipped": "dim",
    "blocked": "red",
    "cancelled": "dim",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """`states` has a symbol for each state of an item; `full`, `half`, `rest` make a bar."""

    states: dict[str, str]
    full: str
    half: str
    rest: str
    dot: str
    more: str


UNICODE = Glyphs(
    {
        "pending": "·",
        "generating": "●",
        "validating": "◆",
        "retrying": "↻",
        "paused": "‖",
        "completed": "✓",
        "failed": "✗",
        "skipped": "–",  # noqa: RUF001 - a dash
        "blocked": "■",
        "cancelled": "○",
    },
    full="━",
    half="╸",
    rest="─",
    dot="·",
    more="…",
)
ASCII = Glyphs(
    {
        "pending": ".",
        "generating": ">",
        "validating": "?",
        "retrying": "~",
        "paused": "=",
        "completed": "+",
        "failed": "!",
        "skipped": "-",
        "blocked": "#",
        "cancelled": "x",
    },
    full="#",
    half="#",
    rest="-",
    dot="|",
    more="..",
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """Unicode where the stream's encoding can write all of it."""
    try:
        "".join((*UNICODE.states.values(), UNICODE.full, UNICODE.half, UNICODE.rest)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def bar(done: int, total: int, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """(done part, rest) of a bar `width` cells wide; full only when all is done."""
    halves = 2 * width if done >= total > 0 else min(2 * width - 1, 2 * width * done // max(1, total))
    full, half = divmod(halves, 2)
    return glyphs.full * full + glyphs.half * half, glyphs.rest * (width - full - half)

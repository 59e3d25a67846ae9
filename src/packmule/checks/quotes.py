"""Where a quote stands in a document: exactly, else normalised, else nearly.

What is found is always the document's own text, cut at offsets into the original string.

Normalised means: white space, invisible characters and hyphens between letters (so also those at line ends) are left
out; compatible characters, look-alike quotes and dashes, and upper and lower case are one. A map leads back from every
normalised character to the original one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple
from unicodedata import category, combining, normalize

from rapidfuzz.fuzz import partial_ratio_alignment

Match = Literal["exact", "normalised", "fuzzy"]

FUZZY_MIN = 85.0
FUZZY_CHARS_MIN = 12
PLACES_MAX = 200
GAP_CHARS_MAX = 400

_ALIKE = dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″«»", '"')  # noqa: RUF001 - look-alikes
_ALIKE |= dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")  # noqa: RUF001 - look-alikes
_MARKS = '"“”„«»'
_ELLIPSIS = re.compile(r"\s*(?:\[\s*)?(?:\.{3,}|…)(?:\s*\])?\s*")
# Scripts from here on write words without spaces between them.
_UNSPACED = "\u2e80"


class Place(NamedTuple):
    """`text[start:end]` of the searched text; `score` is 1.0 unless the match is fuzzy."""

    start: int
    end: int
    match: Match
    score: float


class Folded(NamedTuple):
    """Normalised text; character i of it comes from `starts[i]` to `ends[i]` of the original."""

    text: str
    starts: list[int]
    ends: list[int]


class Searched:
    """A text in which quotes are looked for; normalised once, when first needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def folded(self) -> Folded:
        """The normalised text with its map."""
        return fold(self.text)


def fold(text: str, *, words_only: bool = False) -> Folded:
    """The normalised text; with `words_only` letters and digits alone."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for at, char in enumerate(text):
        piece = _folded(char)
        if piece == "-" and out and out[-1].isalpha() and _next_solid(text, at + 1).isalpha():
            continue
        if piece and combining(piece[0]) and ends:
            # A mark belongs to its letter: both are cut out together.
            ends[-1] = at + 1
        for part in piece:
            if words_only and not part.isalnum():
                continue
            out.append(part)
            starts.append(starts[-1] if combining(part) and starts else at)
            ends.append(at + 1)
    return Folded("".join(out), starts, ends)


@lru_cache(4096)
def _folded(char: str) -> str:
    if char.isspace() or category(char) in {"Cf", "Cc"}:
        return ""
    alike = _ALIKE.get(char)
    return alike or "".join(_ALIKE.get(part, part) for part in normalize("NFKD", char).casefold() if part != " ")


def _next_solid(text: str, at: int) -> str:
    """The next character that is not white space, or ''."""
    while at < len(text) and not _folded(text[at]):
        at += 1
    return text[at : at + 1]


def locate(quote: str, document: Searched) -> list[Place]:
    """Every place where the quote stands, by the strictest of the three ways that finds any; [] when none does."""
    as_given = quote.strip()
    # Models put quotes into quotation marks; where the marks stand in the document too, they are a part of it.
    wanted = as_given.strip(_MARKS).strip()
    if exact := _exactly(as_given, document.text) or _exactly(wanted, document.text):
        return exact
    short = fold(wanted).text
    if not short:
        return []
    return _normalised(short, document) or _abridged(wanted, document) or _nearly(short, document)


def _exactly(quote: str, text: str) -> list[Place]:
    places = _occurrences(quote, text) if quote else ()
    return [Place(a, b, "exact", 1.0) for a, b in places if _whole(text, a, b)]


def _normalised(short: str, document: Searched) -> list[Place]:
    folded = document.folded
    spans = ((folded.starts[a], folded.ends[b - 1]) for a, b in _occurrences(short, folded.text))
    return [Place(a, b, "normalised", 1.0) for a, b in spans if _whole(document.text, a, b)]


def _abridged(quote: str, document: Searched) -> list[Place]:
    """A quote with '...' in it: its parts, in order and not far from each other."""
    parts = [short for part in _ELLIPSIS.split(quote) if (short := fold(part).text)]
    if not parts or not _ELLIPSIS.search(quote):
        return []
    found = _normalised(parts[0], document)
    for part in parts[1:]:
        after = _normalised(part, document)
        pairs = ((a, next((b for b in after if 0 <= b.start - a.end <= GAP_CHARS_MAX), None)) for a in found)
        found = [Place(a.start, b.end, "normalised", 1.0) for a, b in pairs if b is not None]
    return found


def _nearly(short: str, document: Searched) -> list[Place]:
    """The one place that is most alike, widened to whole words."""
    folded = document.folded
    if len(short) < FUZZY_CHARS_MIN or len(folded.text) < len(short) // 2:
        return []
    found = partial_ratio_alignment(short, folded.text, score_cutoff=FUZZY_MIN)
    if found is None or found.dest_end <= found.dest_start:
        return []
    start, end = folded.starts[found.dest_start], folded.ends[found.dest_end - 1]
    while _torn(document.text, start):
        start -= 1
    while _torn(document.text, end):
        end += 1
    return [Place(start, end, "fuzzy", round(found.score / 100, 3))]


def _occurrences(short: str, text: str) -> Iterator[tuple[int, int]]:
    at, count = text.find(short), 0
    while at >= 0 and count < PLACES_MAX:
        yield at, at + len(short)
        at, count = text.find(short, at + 1), count + 1


def _whole(text: str, start: int, end: int) -> bool:
    """Does the cut tear no word and no number apart? A letter beside a digit is no tear: PDF text lacks spaces."""
    return not _torn(text, start) and not _torn(text, end)


def _torn(text: str, at: int) -> bool:
    before, after = text[at - 1 : at] if at else "", text[at : at + 1]
    if before.isdigit():
        return after.isdigit() or (after in {".", ","} and text[at + 1 : at + 2].isdigit())
    if after.isdigit():
        return before in {".", ","} and text[at - 2 : at - 1].isdigit()
    return before.isalpha() and after.isalpha() and max(before, after) < _UNSPACED


def is_word(text: str, start: int, end: int) -> bool:
    """Is `text[start:end]` whole words and numbers: neither letter nor digit goes on beside it?"""
    seams = (text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text))
    return _whole(text, start, end) and not any(seam.isalnum() and max(seam) < _UNSPACED for seam in seams)

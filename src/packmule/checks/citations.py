"""Evidence: for every value of an answer, where in the document it stands, or that it stands nowhere.

A model is asked for a quote beside each value. The quote is located in the document, and the value is looked for in
what the *document* says there, never in the model's own words: a quote that was made up, or that says something else,
supports nothing. A value is cited where it stands, a true or false with the whole of its quote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from packmule.checks.quotes import Match, Place, Searched, locate
from packmule.checks.values import places, supports

Evidence = Iterable[tuple[str, str]]
"""(dotted path, quote) pairs as a model gave them."""

LABEL_CHARS = 60
_INDEX = re.compile(r"\[(\d+)\]")
_NAME_WORD = re.compile(r"[^\W\d_]{2,}")


class Citation(Struct, frozen=True):
    """One place in a document: `document_text[start:end] == text`, always.

    `page` counts from 1, None where there are no pages; `document` is the file's name; `match` how its quote was found
    and `score` how well (1.0, less only for a fuzzy match).
    """

    start: int
    end: int
    text: str
    page: int | None
    document: str
    match: Match
    score: float


class Cited(Struct, frozen=True):
    """Citations by dotted path (`items.0.total`); `unsupported` are the paths of values without any."""

    citations: dict[str, list[Citation]]
    unsupported: list[str]


@dataclass(frozen=True, slots=True)
class Document:
    """A text to cite from. `pages` are the offsets at which its pages begin; none for a text without pages."""

    text: str
    name: str = ""
    pages: Sequence[int] = ()
    searched: Searched = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "searched", Searched(self.text))

    def page_at(self, offset: int) -> int | None:
        """The page of an offset, from 1."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None


def cite(values: Any, evidence: Evidence, document: Document) -> Cited:  # noqa: ANN401 - any JSON value
    """Look up every value's evidence. Null and empty values claim nothing: they have [] and are not unsupported."""
    quotes: dict[str, list[str]] = {}
    for path, quote in evidence:
        quotes.setdefault(dotted(path), []).append(quote)
    located: dict[str, list[Place]] = {}
    citations: dict[str, list[Citation]] = {}
    taken: set[tuple[int, int]] = set()
    unsupported = []
    for path, value in leaves(values):
        found: dict[tuple[int, int], Citation] = {}
        for quote in _quotes_for(path, quotes):
            if quote not in located:
                located[quote] = locate(quote, document.searched)
            cited = _cited(path, value, located[quote], document, taken)
            if cited is not None:
                found.setdefault((cited.start, cited.end), cited)
        citations[path] = list(found.values())
        taken.update(found)
        if not found and value is not None and value not in ("", [], {}):
            unsupported.append(path)
    return Cited(citations, unsupported)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    """(dotted path, value) of everything that is no object and no list, and of empty ones."""
    steps: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    if not isinstance(value, Mapping | list) or not value:
        yield path, value
    for step, part in steps:
        yield from leaves(part, f"{path}.{step}" if path else str(step))


def dotted(path: str) -> str:
    """A path as models write it (`$.values.items[0].total`, `/items/0/total`) as `items.0.total`."""
    plain = _INDEX.sub(r".\1", path.strip().removeprefix("$")).replace("/", ".").strip(".")
    return plain.removeprefix("values.")


def _quotes_for(path: str, quotes: Mapping[str, list[str]]) -> list[str]:
    """The value's own quotes, else those of what it is a part of."""
    while path and path not in quotes:
        path = path.rpartition(".")[0]
    return quotes.get(path, [])


def _cited(
    path: str,
    value: Any,  # noqa: ANN401 - any JSON value
    found: Sequence[Place],
    document: Document,
    taken: AbstractSet[tuple[int, int]],
) -> Citation | None:
    """The likeliest place of a value among the places of one quote: labelled with its name, not taken by another."""
    spots: list[tuple[int, int, Place]] = []
    for place in found:
        text = document.text[place.start : place.end]
        if isinstance(value, bool):
            if supports(value, text):
                spots.append((place.start, place.end, place))
        else:
            spots += [(place.start + a, place.start + b, place) for a, b in places(value, text)]
    if not spots:
        return None
    names = {word.casefold() for word in _NAME_WORD.findall(path.replace("_", " "))}
    start, end, place = max(spots, key=lambda spot: (_labelled(names, document.text, spot[0]), spot[:2] not in taken))
    return Citation(
        start, end, document.text[start:end], document.page_at(start), document.name, place.match, place.score
    )


def _labelled(names: set[str], text: str, at: int) -> int:
    """How many words of a value's name stand before it on its line: of equal values the one so labelled is meant."""
    line = text[max(0, at - LABEL_CHARS) : at].rpartition("\n")[2]
    return len(names & {word.casefold() for word in _NAME_WORD.findall(line)})

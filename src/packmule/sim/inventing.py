"""The inventing manner: answers that look right, some of whose values stand nowhere, with quotes copied carelessly.

An invented value comes with a quote that says something else, with one mended so that it agrees, with one made up, or
with none. The quotes of the other values are true, but not all copied letter by letter.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from packmule.sim import invented
from packmule.sim.answers import dumped, said
from packmule.sim.asked import Asked, Said
from packmule.sim.fields import NUMBER, numbers_in
from packmule.sim.material import Material

SHARE = 0.2
CARELESS = 0.6
_DASHES, _QUOTES = str.maketrans("-–", "–-"), str.maketrans("'\"", "’”")  # noqa: RUF001 - look-alikes are the point
_LETTERS = re.compile(r"[^\W\d_]{6,}")

Chance = random.Random


def made_up(asked: Asked, plain: Said, chance: Chance) -> Said:
    """The plain answer with some values invented; words that are no JSON object become other words."""
    topics = Material(asked).topics
    try:
        value = json.loads(plain.text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return said(asked, invented.sentence(topics, chance), plain.finish, plain.image)
    lists = [name for name, part in value.items() if _is_quotes(part)]
    new: dict[str, tuple[Any, Any]] = {}
    rest = {name: _changed(part, name, new, chance) for name, part in value.items() if name not in lists}
    kept = {name: [_quoted(entry, new, topics, chance) for entry in value[name]] for name in lists}
    answer = {name: [entry for entry in kept[name] if entry] if name in kept else rest[name] for name in value}
    return said(asked, dumped(answer), plain.finish, plain.image)


def _is_quotes(part: Any) -> bool:  # noqa: ANN401 - any JSON
    return (
        isinstance(part, list)
        and bool(part)
        and all(isinstance(entry, dict) and entry.keys() == {"path", "quote"} for entry in part)
    )


def _changed(value: Any, path: str, new: dict[str, tuple[Any, Any]], chance: Chance) -> Any:  # noqa: ANN401
    """A copy with some values replaced; `new` keeps (old, new) by path. True and false stay."""
    match value:
        case dict():
            return {name: _changed(part, f"{path}.{name}", new, chance) for name, part in value.items()}
        case list():
            return [_changed(part, f"{path}.{place}", new, chance) for place, part in enumerate(value)]
        case None | bool():
            return value
    if chance.random() >= SHARE:
        return value
    other = _other(value, chance)
    new[path] = value, other
    return other


def _other(value: Any, chance: Chance) -> Any:  # noqa: ANN401
    """A likely value that is another one."""
    if isinstance(value, int):
        return value + chance.randint(1, 9) * 10 ** max(0, len(str(abs(value))) - 2)
    if isinstance(value, float):
        return round(value * (1 + chance.choice((-1, 1)) * chance.uniform(0.02, 0.6)) + 0.01, 2)
    digits = [place for place, char in enumerate(value) if char.isdecimal()]
    if not digits:
        return invented.full_name(chance)
    place = chance.choice(digits)
    return f"{value[:place]}{(int(value[place]) + chance.randint(1, 9)) % 10}{value[place + 1 :]}"


def _quoted(
    entry: dict[str, Any], new: dict[str, tuple[Any, Any]], topics: list[str], chance: Chance
) -> dict[str, Any] | None:
    quote = str(entry["quote"])
    if entry["path"] not in new:
        return entry | {"quote": chance.choice(_SLIPS)(quote, chance) if chance.random() < CARELESS else quote}
    old, other = new[entry["path"]]
    way = chance.randrange(4)
    if way == 0:
        return None
    mended = (quote, _mended(quote, old, other), invented.sentence(topics, chance))[way - 1]
    return entry | {"quote": mended}


def _mended(quote: str, old: Any, other: Any) -> str:  # noqa: ANN401
    """The quote as it would read if the invented value were true."""
    if isinstance(old, str):
        return quote.replace(old, str(other))
    text = f"{other:,.2f}" if isinstance(other, float) else str(other)
    return NUMBER.sub(lambda found: text if old in numbers_in(found[0]) else found[0], quote)


def _without_a_letter(quote: str, chance: Chance) -> str:
    words = list(_LETTERS.finditer(quote))
    if not words:
        return quote
    word = chance.choice(words)
    place = word.start() + chance.randrange(1, len(word[0]) - 1)
    return quote[:place] + quote[place + 1 :]


def _broken(quote: str, chance: Chance) -> str:
    words = list(_LETTERS.finditer(quote))
    if not words:
        return quote.replace(" ", "\n", 1)
    word = chance.choice(words)
    place = word.start() + len(word[0]) // 2
    return f"{quote[:place]}-\n{quote[place:]}"


_SLIPS: tuple[Callable[[str, Chance], str], ...] = (
    lambda quote, _: " ".join(quote.split()),
    lambda quote, _: quote.replace(" ", "   "),
    lambda quote, _: quote.upper(),
    lambda quote, _: quote.translate(_DASHES),
    lambda quote, _: quote.translate(_QUOTES),
    lambda quote, _: f"“{quote}”",
    lambda quote, _: f"{quote} ...",
    _without_a_letter,
    _broken,
)

"""The hostile manner: answers such as careless models give, each of them billed in full."""

from __future__ import annotations

import json
import random
from typing import Any

from packmule.sim.answers import dumped, said
from packmule.sim.asked import Asked, Said
from packmule.sim.invented import sentence
from packmule.sim.material import Material

REFUSAL = "I'm sorry, but I can't help with that request."
_PROSE = (
    "Sure! Here is the result you asked for:\n\n```json\n{}\n```\n\nLet me know if you need anything else.",
    "Certainly. {}\n\nI hope this helps!",
    "Thinking about it step by step, the answer should be:\n{}",
)


def spoilt(asked: Asked, plain: Said, chance: random.Random) -> Said:
    """The plain answer, spoilt in one of seven ways."""
    ways = (_prose, _wrong_types, _missing, _refusal, _empty, _invented, _cut)
    return chance.choice(ways)(asked, plain, chance)


def _prose(asked: Asked, plain: Said, chance: random.Random) -> Said:
    return said(asked, chance.choice(_PROSE).format(plain.text), plain.finish, plain.image)


def _wrong_types(asked: Asked, plain: Said, chance: random.Random) -> Said:
    """Numbers as words, lists as strings, texts as lists."""
    del chance
    value = _json(plain.text)
    wrong = {key: _wrong(entry) for key, entry in value.items()} if isinstance(value, dict) else _wrong(value)
    return said(asked, dumped(wrong), plain.finish, plain.image)


def _wrong(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case bool() | int() | float():
            return f"about {value}"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return str(value)
        case _:
            return [value]


def _missing(asked: Asked, plain: Said, chance: random.Random) -> Said:
    """One key is missing, and one that nobody asked for is there."""
    value = _json(plain.text)
    if not isinstance(value, dict) or not value:
        return _prose(asked, plain, chance)
    lost = chance.choice(list(value))
    kept = {key: entry for key, entry in value.items() if key != lost} | {"additional_notes": "None."}
    return said(asked, dumped(kept), plain.finish, plain.image)


def _refusal(asked: Asked, plain: Said, chance: random.Random) -> Said:
    del plain
    return said(asked, REFUSAL, "refusal" if chance.random() < 0.5 else "stop")  # noqa: PLR2004 - in words or in form


def _empty(asked: Asked, plain: Said, chance: random.Random) -> Said:
    del plain, chance
    return said(asked, "", "stop")


def _invented(asked: Asked, plain: Said, chance: random.Random) -> Said:
    """Every longer text is replaced by one that stands nowhere in the prompt."""
    topics = Material(asked).topics
    value = _json(plain.text)

    def replaced(entry: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(entry, dict):
            return {key: replaced(part) for key, part in entry.items()}
        if isinstance(entry, list):
            return [replaced(part) for part in entry]
        return sentence(topics, chance) if isinstance(entry, str) and " " in entry else entry

    text = sentence(topics, chance) if value is None else dumped(replaced(value))
    return said(asked, text, plain.finish, plain.image)


def _cut(asked: Asked, plain: Said, chance: random.Random) -> Said:
    """The answer ends in the middle, as if the bound had been reached."""
    kept = plain.text[: max(1, int(len(plain.text) * (0.3 + 0.5 * chance.random())))]
    return said(asked, kept, "length")


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except ValueError:
        return None

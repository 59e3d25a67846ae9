"""An answer made from the prompt's own words. The same seed and the same request give the same answer."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from packmule.sim import invented
from packmule.sim.asked import Asked, Finish, JsonSchema, Said, tokens, tokens_in
from packmule.sim.filling import Filler, pick
from packmule.sim.material import Material
from packmule.sim.picture import png
from packmule.sim.words import name_words, words

CHARS_A_TOKEN = 4
IMAGE_TOKENS_OUT = 256

_SHORT = {"summarize", "summarise", "summary", "headline", "title", "sentence", "line", "brief", "short", "caption"}
_SPEAKING = {"argue", "respond", "reply", "defend", "oppose", "rebut", "answer", "convince", "persuade", "discuss"}
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10}
_JSON_ASKED = re.compile(r"\b(?:as|return|in|only|valid|with|output) JSON\b", re.IGNORECASE)
_LIST = re.compile(
    r"\b(\d{1,2}|two|three|four|five|six|seven|eight|ten)\s+(?:\w+\s+){0,2}?"
    r"(?:points|ideas|items|examples|questions|reasons|bullets|bullet points|lines|variants|variations|messages)\b",
    re.IGNORECASE,
)
_QUOTED_KEY = re.compile(r"\"(\w{1,40})\"\s*:")
_LISTED_KEYS = re.compile(r"\bkeys?\b:?\s+(\w[^\n.:{(]{0,300})", re.IGNORECASE)
_NUMERIC = {"score", "rating", "count", "age", "number", "confidence", "amount", "total", "price", "year", "percent"}


def answer(asked: Asked, chance: random.Random) -> Said:
    """What a well-behaved model says."""
    material = Material(asked)
    image = png(chance) if asked.draw else None
    schema = asked.schema if asked.schema is not None else _schema_in_words(asked)
    if schema is not None:
        text = dumped(Filler(schema, material, chance).fill(schema))
    elif asked.any_json or _JSON_ASKED.search(f"{asked.system}\n{material.order or material.prompt}"):
        text = dumped(_free_json(material, chance))
    else:
        text = _in_words(material, chance)
    return said(asked, text, "stop", image)


def said(asked: Asked, text: str, finish: Finish, image: bytes | None = None) -> Said:
    """Count it, and cut it where the bound on the output is."""
    count = tokens(text) + (IMAGE_TOKENS_OUT if image else 0)
    bound = asked.tokens_out_max
    if bound is not None and count > bound:
        text, finish, count = text[: bound * CHARS_A_TOKEN], "length", bound
    return Said(text, finish, tokens_in(asked), count, image)


def dumped(value: Any) -> str:  # noqa: ANN401 - any JSON
    """JSON as models write it."""
    return json.dumps(value, ensure_ascii=False)


def _in_words(material: Material, chance: random.Random) -> str:
    asked_for = set(words(material.order or material.prompt))
    if material.choices:
        return str(pick(material.choices, material.data, "", chance))
    if listed := _LIST.search(material.order or material.prompt):
        return _list(material, chance, listed.group(1))
    if asked_for & _SHORT and not material.making:
        return material.line()
    if material.making:
        return invented.paragraph(material.topics, chance, chance.randint(2, 4))
    best = set(material.ranked[:3])
    found = [_ended(sentence) for sentence in dict.fromkeys(material.sentences) if sentence in best]
    if asked_for & _SPEAKING:
        found = [found[0], *(invented.sentence(material.topics, chance) for _ in range(2)), *found[1:2]]
    return " ".join(found)


def _list(material: Material, chance: random.Random, count: str) -> str:
    number = _COUNTS.get(count.lower()) or max(1, int(count) if count.isdigit() else 1)
    lines = [] if material.making else [_ended(sentence) for sentence in material.ranked[:number]]
    while len(lines) < number:
        lines.append(invented.sentence(material.topics, chance))
    return "\n".join(f"{place}. {line}" for place, line in enumerate(lines, 1))


def _ended(sentence: str) -> str:
    return sentence if sentence[-1:] in ".!?" else f"{sentence}."


def _free_json(material: Material, chance: random.Random) -> dict[str, Any]:
    """JSON without a schema: the keys that the prompt names, or one called answer."""
    text = f"{material.asked.system}\n{material.order or material.prompt}"
    names = _QUOTED_KEY.findall(text)
    for listed in _LISTED_KEYS.findall(text):
        parts = re.split(r",\s*(?:and\s)?|\sand\s", listed.split(" for ")[0])
        names += [found.group(0) for part in parts if (found := re.search(r"\w+", part))]
    if not names:
        return {"answer": _in_words(material, chance)}
    schema = {"type": "object", "properties": {name: _guessed(name) for name in dict.fromkeys(names)}}
    filled: dict[str, Any] = Filler(schema, material, chance).fill(schema)
    return filled


def _guessed(name: str) -> JsonSchema:
    return {"type": "number"} if _NUMERIC & set(name_words(name)) else {"type": "string"}


def _schema_in_words(asked: Asked) -> JsonSchema | None:
    """A JSON Schema that stands in the prompt itself, for models without structured output."""
    text = f"{asked.system}\n{asked.prompt}"
    if '"properties"' not in text:
        return None
    decoder = json.JSONDecoder()
    for start in [found.start() for found in re.finditer(r"\{", text)][:8]:
        try:
            found, _ = decoder.raw_decode(text, start)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            return found
    return None

"""A string that obeys its schema: found under its name in the text, or a sentence of the text, or made up."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from packmule.sim import invented
from packmule.sim.fields import DATE, EMAIL, LINK, NAMED, stated, typical
from packmule.sim.material import Material
from packmule.sim.words import content_words, name_words, sentiment, trimmed

SHORT, LONG = 60, 240
_LABELS = {
    "title",
    "headline",
    "label",
    "topic",
    "tag",
    "keyword",
    "category",
    "categorie",
    "subject",
    "theme",
    "aspect",
}
_QUOTES = {"quote", "quotes", "evidence", "source", "span", "excerpt", "citation"}
_TONES = {"sentiment", "polarity"}
_LONG = {
    "biography",
    "bio",
    "background",
    "description",
    "story",
    "message",
    "text",
    "body",
    "content",
    "summary",
    "speech",
}
_INVENTED: tuple[tuple[set[str], list[str]], ...] = (
    ({"city", "town", "place", "location", "hometown"}, invented.PLACES),
    ({"country", "nationality"}, invented.COUNTRIES),
    ({"occupation", "job", "profession", "role", "work"}, invented.WORK),
    ({"mood", "tone", "emotion", "trait", "traits", "style"}, invented.MOODS),
)


class Writer:
    """Writes the strings of one answer and uses no sentence twice while others are left."""

    def __init__(self, material: Material, chance: random.Random) -> None:
        self._material = material
        self._chance = chance
        self._used: set[str] = set()

    def write(self, schema: dict[str, Any], name: str) -> str:
        """A string for the property `name`."""
        form = schema.get("format")
        if isinstance(form, str) and (made := self._formatted(form)) is not None:
            return made
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        text = next(self._candidates(schema, name))
        if isinstance(schema.get("pattern"), str):
            text = self._matching(schema["pattern"], schema, name)
        return fitted(text, low, high)

    def _candidates(self, schema: dict[str, Any], name: str) -> Iterator[str]:
        """Ever less likely values: stated, typical of the name, invented, a sentence; then anything that is left."""
        asked = set(name_words(name))
        data = self._material.data
        making = self._material.making and not asked & _QUOTES
        if making and asked & NAMED:
            yield invented.full_name(self._chance)
        found = stated(name, data) or typical(name, data)
        if found and found not in self._used:
            self._used.add(found)
            yield found
        if asked & NAMED:
            yield invented.full_name(self._chance)
        for names, options in _INVENTED:
            if asked & names:
                yield self._chance.choice(options)
        if asked & _LABELS or {word.removesuffix("s") for word in asked} & _LABELS:
            yield self._fresh(self._material.topics, SHORT)
        if asked & _TONES:
            tone = sentiment(data)
            yield ("neutral", "positive", "negative")[(tone > 0) - (tone < 0)]
        if making:
            count = 2 if asked & _LONG else 1
            yield invented.paragraph(self._material.topics, self._chance, count)
        about = asked | set(content_words(str(schema.get("description", ""))))
        most = 10_000 if asked & _QUOTES else LONG
        yield self._fresh(self._material.about(about), most)
        yield from self._material.topics
        yield from self._material.sentences

    def _fresh(self, options: list[str], most: int) -> str:
        unused = [option for option in options if option not in self._used]
        unused += [topic for topic in self._material.topics if topic not in self._used]
        best = unused[0] if unused else invented.sentence(self._material.topics, self._chance)
        self._used.add(best)
        return trimmed(best, most)

    def _formatted(self, form: str) -> str | None:
        chance, data = self._chance, self._material.data
        date = f"20{chance.randint(20, 26)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        if found := DATE.search(data):
            date = _real_date(found) or date
        hour = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}"
        name = invented.full_name(chance).lower().replace(" ", ".")
        mail, link = EMAIL.search(data), LINK.search(data)
        made = {
            "date": date,
            "date-time": f"{date}T{hour}Z",
            "time": f"{hour}Z",
            "duration": f"PT{chance.randint(1, 90)}M",
            "email": mail.group(0) if mail else f"{name}@example.com",
            "uri": link.group(0) if link else f"https://example.com/{name}",
            "hostname": f"{name.replace('.', '-')}.example.com",
            "ipv4": f"192.0.2.{chance.randint(1, 254)}",
            "ipv6": f"2001:db8::{chance.randint(1, 9999)}",
            "uuid": str(UUID(int=chance.getrandbits(128), version=4)),
        }
        return made.get(form)

    def _matching(self, pattern: str, schema: dict[str, Any], name: str) -> str:
        """What of the text matches a pattern; else digits and letters are tried, and at last anything."""
        try:
            expression = re.compile(pattern)
        except re.error:
            return next(self._candidates(schema, name))
        body = re.compile(pattern.removeprefix("^").removesuffix("$"))
        for text in [self._material.data, *self._candidates(schema, name)]:
            for found in body.finditer(text):
                if found.group(0) and expression.search(found.group(0)):
                    return found.group(0)
        number = str(self._chance.randint(10**11, 10**12 - 1))
        simple = [form[:size] for size in range(1, 12) for form in (number, "abcdefghijkl", "ABCDEFGHIJKL")]
        return next((text for text in simple if expression.search(text)), next(self._candidates(schema, name)))


def fitted(text: str, low: int, high: int | None) -> str:
    """Between `low` and `high` characters."""
    while len(text) < low:
        text = f"{text} {text}".strip() or "more words"
    return text if high is None or len(text) <= high else max(trimmed(text, high), text[:low], key=len)


def _real_date(found: re.Match[str]) -> str | None:
    _, month, day = (int(part) for part in found.groups())
    return found.group(0) if 1 <= month <= 12 and 1 <= day <= 28 else None  # noqa: PLR2004 - a day every month has

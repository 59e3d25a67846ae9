"""Reading a prompt: which part of it is the data, which sentences it holds, and what is asked to be done with them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from itertools import pairwise

from packmule.sim.asked import Asked
from packmule.sim.words import ORDERS, content_words, information, sentences, trimmed, weight, words

READ_MAX = 20_000

_FENCED = re.compile(r"```[a-zA-Z]*\n(.+?)```|\"\"\"(.+?)\"\"\"|<([a-z_]+)>(.+?)</\3>", re.DOTALL)
_CHOICES = re.compile(
    r"(?:one of|either|choose (?:from|between)|pick (?:from|one)|options?|labels?|categories|classes|choices|as)\b"
    r"(?:[^\n:\[({\"']{0,40}[:\[({])?\s*([^\n.?!;:]{3,400})",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[(\[{]([^()\[\]{}\n]{3,200})[)\]}]")
_SPLIT = re.compile(r"\s*(?:,\s*or\s|,\s*and\s|,|/|\||;|\bor\b|\band\b)\s*")
_CHOICE_WORDS_MAX = 4
_DATA_WORDS_MIN = 4
_TOPIC_MIN = 5
_REDUCING = frozenset("summarize summarise summary headline extract classify translate".split())
_MAKING = frozenset("write generate create compose invent imagine draft rewrite make produce".split())


class Material:
    """One request, read. `data` is the part to work on, `order` what to do with it."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.prompt = asked.prompt[-READ_MAX:]
        self.order, self.data = _parted(self.prompt)

    def only(self, data: str) -> Material:
        """The same request about a part of the data."""
        part = Material(self.asked)
        part.data = data
        return part

    @cached_property
    def making(self) -> bool:
        """Is something new asked for, or is there nothing to work on?"""
        asked_for = set(words(self.order or self.prompt))
        return bool(asked_for & _MAKING and not asked_for & _REDUCING) or (
            self.data == self.prompt and _is_order(self.prompt)
        )

    @cached_property
    def sentences(self) -> list[str]:
        """Those of the data, or the data itself when it holds none."""
        return sentences(self.data) or [self.data.strip() or "Nothing was said."]

    @cached_property
    def weights(self) -> Counter[str]:
        """How often each content word of the data occurs."""
        return weight(self.sentences)

    @cached_property
    def ranked(self) -> list[str]:
        """Sentences of the data, the most informative first."""
        about = set(content_words(self.order))
        marks = {text: information(text, self.weights, about) for text in self.sentences}
        return sorted(marks, key=lambda text: -marks[text])

    @cached_property
    def topics(self) -> list[str]:
        """Phrases of one or two content words, the most frequent first."""
        pairs: Counter[str] = Counter()
        for sentence in self.sentences[:200]:
            said = words(sentence)
            solid = set(content_words(sentence)) - ORDERS
            pairs.update(f"{a} {b}" for a, b in pairwise(said) if a in solid and b in solid)
        singles = [word for word, _ in self.weights.most_common(12) if word not in ORDERS and len(word) >= _TOPIC_MIN]
        return [pair for pair, _ in pairs.most_common(12)] + singles or ["the matter"]

    @cached_property
    def choices(self) -> list[str]:
        """The answers that the prompt offers, if it offers a set."""
        text = f"{self.asked.system[-READ_MAX:]}\n{self.order or self.prompt}"
        for found in [*_CHOICES.findall(text), *_LISTED.findall(text)]:
            options = [part.strip(" \"'`*.()[]{}<>") for part in _SPLIT.split(found)]
            options = [part for part in dict.fromkeys(options) if part]
            if len(options) > 1 and all(len(part.split()) <= _CHOICE_WORDS_MAX for part in options):
                return options
        return []

    def line(self, most: int = 160) -> str:
        """The most informative sentence, short."""
        return trimmed(self.ranked[0], most)

    def about(self, asked: set[str]) -> list[str]:
        """Sentences of the data, the ones nearest to some words first."""
        marks = {text: information(text, self.weights, asked) for text in self.sentences}
        return sorted(marks, key=lambda text: -marks[text])


def _parted(prompt: str) -> tuple[str, str]:
    """(order, data) of a prompt: what is fenced, else what no order stands in, else all of it."""
    fenced = [next(part for part in (a, b, d) if part) for a, b, _, d in _FENCED.findall(prompt)]
    if fenced:
        return _FENCED.sub(" ", prompt), "\n".join(fenced)
    orders, data = [], []
    for line in prompt.splitlines():
        head, colon, rest = line.partition(":")
        if not _is_order(line):
            data.append(line)
        elif colon and len(rest.split()) >= _DATA_WORDS_MIN and not rest.lstrip().startswith(("//", "{")):
            orders.append(head)
            data.append(rest)
        else:
            orders.append(line)
    text = "\n".join(data).strip()
    return "\n".join(orders), text or prompt


def _is_order(line: str) -> bool:
    first = words(line[:40])[:1]
    return bool(first) and first[0] in ORDERS

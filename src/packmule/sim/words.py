"""Words and sentences: what a text is about, and the few words that the box brings along itself."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

WORD_MIN = 3
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")  # noqa: RUF001 - both apostrophes occur
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_BULLET = re.compile(r"^\s*(?:[-*•>#]+|\d{1,3}[.)])\s*")

STOP = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her his i if in into is it its"
    " just me more most my no nor not of on or our out over own she should so some such than that the their them then"
    " there these they this those to too under up very was we were what when where which while who whom why will with"
    " would you your about after again all also am any because before being between both each few further here him how"
    " off once only other same through until above below during it's i'm don't".split()
)
STOP |= frozenset("one two three four five six seven eight nine ten".split())
ORDERS = frozenset(
    "summarize summarise classify extract label answer return respond reply give list write generate create compose"
    " invent imagine draft describe explain translate rewrite decide choose pick identify find determine rate"
    " score evaluate assess analyze analyse read consider use please produce provide output make tag"
    " categorize categorise compare argue task instructions".split()
)
POSITIVE = frozenset(
    "good great excellent love loved loves like liked best better happy perfect wonderful amazing awesome fast easy"
    " helpful friendly recommend recommended works worked fine nice pleased satisfied beautiful superb reliable solid"
    " quick enjoy enjoyed fantastic brilliant delighted thanks thank clear comfortable cheap worth win gain improved"
    " success yes agree true correct safe clean warm fresh delicious polite quiet bright accurate".split()
)
NEGATIVE = frozenset(
    "bad terrible awful hate hated worst worse poor broken broke disappointed disappointing slow useless refund return"
    " returned never problem problems issue issues fail failed fails failure wrong waste cheaply rude late missing"
    " damaged dead died defective expensive unhappy angry annoying noisy dirty cold crash crashed error bug leaks"
    " complaint complain lost loss no nobody disagree false unsafe against leak leaking cracked stopped difficult"
    " confusing".split()
)


def words(text: str) -> list[str]:
    """Every word in lower case, in order."""
    return [found.lower() for found in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words that carry meaning."""
    return [word for word in words(text) if word not in STOP and (len(word) >= WORD_MIN or word.isdigit())]


def name_words(name: str) -> list[str]:
    """`shippingAddress_line` -> shipping, address, line."""
    return words(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " "))


def sentences(text: str) -> list[str]:
    """Sentences and lines of at least two words, without bullets."""
    found = []
    for line in text.splitlines():
        for part in _SENTENCE_END.split(_BULLET.sub("", line)):
            clean = part.strip()
            if " " in clean:
                found.append(clean)
    return found


def weight(texts: Iterable[str]) -> Counter[str]:
    """How often each content word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(content_words(text))
    return counts


def information(sentence: str, counts: Mapping[str, int], about: Collection[str] = ()) -> float:
    """How much a sentence says: its content words by frequency, damped by length, plus what it is asked about."""
    found = set(content_words(sentence))
    if not found:
        return 0.0
    common = sum(counts.get(word, 0) for word in found) / (len(found) + 4)
    return common + 0.4 * math.sqrt(min(len(found), 12)) + 3.0 * len(found.intersection(about))


def sentiment(text: str) -> int:
    """Above 0 for pleased, below for displeased."""
    score, turned = 0, 1
    for word in words(text):
        if word in {"not", "never", "no"} or word.endswith("n't"):
            turned = -1
            score -= word == "never"
            continue
        score += turned * ((word in POSITIVE) - (word in NEGATIVE))
        turned = 1 if word not in STOP else turned
    return score


def trimmed(text: str, most: int) -> str:
    """At most `most` characters, ended at a word where there is one."""
    if len(text) <= most:
        return text
    cut = text[:most]
    at_word = cut.rsplit(" ", 1)[0].rstrip(" ,;:-")
    return at_word if len(at_word) * 2 > most else cut

"""Finding a field in a text: `Total: 12.50 EUR`, dates, amounts, addresses, names."""

from __future__ import annotations

import re
from functools import lru_cache

from packmule.sim.words import ORDERS, STOP, name_words

THOUSAND = 4
"""A comma and three digits."""
_NO_NAME = STOP | ORDERS

DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_LOOSE_DATE = re.compile(
    r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|"
    r"\d{1,2}\.? (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"[a-z]* \d{4}|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{1,2},? \d{4})\b"
)
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w\b")
LINK = re.compile(r"https?://[^\s<>\"')]+")
_AMOUNT = re.compile(r"(?:[$€£]\s?\d[\d,]*(?:\.\d+)?)|(?:\d[\d,]*(?:\.\d+)?\s?(?:USD|EUR|GBP|dollars|euros?|pounds)\b)")
NUMBER = re.compile(r"-?\d(?:[\d.,]*\d)?")
_NAME = re.compile(r"\b[A-Z][\w'-]+(?: (?:(?:&|de|van|von|of|the) )?[A-Z][\w'-]*)*")
_PHONE = re.compile(r"\+?\d[\d ()/-]{6,}\d")

_BY_NAME: tuple[tuple[frozenset[str], re.Pattern[str]], ...] = (
    (frozenset({"email", "mail"}), EMAIL),
    (frozenset({"url", "link", "website", "homepage"}), LINK),
    (frozenset({"date", "day", "deadline", "due", "when"}), _LOOSE_DATE),
    (frozenset({"phone", "telephone", "mobile", "fax"}), _PHONE),
    (frozenset({"amount", "price", "total", "cost", "sum", "fee", "salary", "budget"}), _AMOUNT),
)
NAMED = frozenset(
    {"name", "person", "author", "vendor", "company", "customer", "seller", "sender", "organization", "brand"}
)


def stated(name: str, text: str) -> str | None:
    """The value after `name:` or `name =` in a text."""
    pattern = _stated_pattern(name)
    found = pattern.search(text) if pattern else None
    return found.group(1).strip(" \"'`") or None if found else None


def typical(name: str, text: str) -> str | None:
    """The first thing in a text that is of the kind that a property's name speaks of."""
    asked = set(name_words(name))
    for names, pattern in _BY_NAME:
        if asked & names:
            found = pattern.search(text)
            return found.group(0) if found else None
    return proper_name(text) if asked & NAMED else None


def proper_name(text: str) -> str | None:
    """The first run of capitalised words, one that starts no sentence if there is one."""
    found = [match for match in _NAME.finditer(text) if match.group(0).split()[0].lower() not in _NO_NAME]
    inner = [
        match for match in found if " " in match.group(0).strip() or text[: match.start()].rstrip()[-1:] not in ".!?\n"
    ]
    best = next(iter(inner or found), None)
    return best.group(0).strip() if best else None


def number_near(name: str, text: str) -> float | None:
    """The number stated under a name, or standing in its neighbourhood."""
    value = stated(name, text)
    found = NUMBER.search(value) if value else None
    if found is None:
        pattern = _near_pattern(name)
        near = pattern.search(text) if pattern else None
        found = NUMBER.search(near.group(0)) if near else None
    return _number(found.group(0)) if found else None


def numbers_in(text: str) -> list[float]:
    """Every number of a text."""
    return [number for found in NUMBER.finditer(text) if (number := _number(found.group(0))) is not None]


def _number(digits: str) -> float | None:
    """In either style: of two kinds of marks the last is the point, a lone comma parts thousands."""
    point = max(".,", key=digits.rfind)
    if point == "," and (digits.count(",") > 1 or len(digits) - digits.rfind(",") == THOUSAND):
        point = "."
    other = "," if point == "." else "."
    try:
        return float(digits.replace(other, "").replace(point, "."))
    except ValueError:
        return None


@lru_cache(1024)
def _stated_pattern(name: str) -> re.Pattern[str] | None:
    parts = [re.escape(part) for part in name_words(name)]
    if not parts:
        return None
    named = r"[\s_-]*".join(parts)
    value = r"(?:(?!\s\s)[^\n,;]|,(?=\d| \d{4}\b)){1,200}"
    return re.compile(rf"(?im)(?:^|[\s,;({{\"'*-]){named}[\"'*]*\s*[:=]\s*({value})")


@lru_cache(1024)
def _near_pattern(name: str) -> re.Pattern[str] | None:
    parts = [re.escape(part) for part in name_words(name) if part not in STOP]
    return re.compile(rf"(?i)\b(?:{'|'.join(parts)})\w*\b[^\n.;]{{0,24}}?-?\d[\d,.]*") if parts else None

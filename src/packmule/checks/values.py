"""Where a value stands in a text: numbers and dates in whatever format, strings normalised, never a part of a word.

A number that can be read in two ways ("1,250" is 1250 in London and 1.25 in Berlin; "03/04/2024" is two days) supports
both readings: the quote alone does not say which. "1" does not stand in "2021", in "1,250" or in "INV-001".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from unicodedata import normalize

from packmule.checks.quotes import fold, is_word

Span = tuple[int, int]
Day = tuple[int, int, int]
"""Year, month, day."""

SMALL = 1000
THREE = 3
_CENTURY = 70

_BEFORE = r"(?<!\d)(?<!\d[.,'’/:-])(?<![^\W\d_]-)"  # noqa: RUF001 - both apostrophes occur
_AFTER = r"(?!\d)(?![.,/:-]\d)"
_SHAPES = (
    r"\d+(?:[.,]\d+)?",
    r"\d{1,3}(?P<sep>[.,'’ \u00a0\u202f\u2009])\d{3}(?:(?P=sep)\d{3})*(?:(?!(?P=sep))[.,]\d+)?",  # noqa: RUF001
    r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?",
)
_NUMBERS = [re.compile(f"{_BEFORE}{shape}{_AFTER}") for shape in _SHAPES]
_SEPARATED = re.compile(r"[-+]?[$€£¥]?\s?\d[\d'’ \u00a0\u202f]*(?:[.,]\d+)+\s?[%$€£¥]?")  # noqa: RUF001
_MARK = re.compile(r"[.,]")
_SIGN = re.compile(r"(?:(?<![\w.])[-−]\s?|\()[$€£¥]?\s?$")  # noqa: RUF001 - the minus sign
_CURRENCY = re.compile(r"[$€£¥]\s?$")
_SCALE = re.compile(r"\s?(thousand|k|million|mn|M|billion|bn)\b")
_TIMES = {"thousand": 3, "k": 3, "million": 6, "mn": 6, "M": 6, "billion": 9, "bn": 9}

_MONTHS = (
    "jan ene gen,feb fev,mar mrz maa,apr abr avr,may mai mag mei,jun juin giu,jul juil lug,aug aou ago,sep set,"
    "oct okt ott out,nov,dec dez dic des"
).split(",")
_MONTH = {prefix: number for number, prefixes in enumerate(_MONTHS, 1) for prefix in prefixes.split()}
_WORD = r"([^\W\d_]{3,12})\.?"
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<![\d.,/-])(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})(?!\d)")
_DAY_WORD = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|\.|º)?[\s-]*(?:of |de )?{_WORD},?[\s-]*(?:de )?(\d{{4}}|\d\d)\b"
)
_WORD_DAY = re.compile(rf"\b{_WORD}\s*(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b")
_CLOCK = re.compile(r"[T ](\d\d:\d\d)")


def places(value: object, text: str) -> list[Span]:
    """Where a number or a string stands in `text`, in order. Nothing for null, true and false: they have no words."""
    match value:
        case bool() | None:
            return []
        case int() | float():
            return _number_places(Decimal(str(value)), text) if math.isfinite(value) else []
        case str():
            return _string_places(value.strip(), text)
        case _:
            return []


def supports(value: object, quote: str) -> bool:
    """Does the quote really contain the value? True and false need a quote, and any words will do."""
    return bool(fold(quote, words_only=True).text) if isinstance(value, bool) else bool(places(value, quote))


def _number_places(wanted: Decimal, text: str) -> list[Span]:
    small = wanted == wanted.to_integral_value() and abs(wanted) < SMALL
    found = set()
    for pattern in _NUMBERS:
        for token in pattern.finditer(text):
            start, end = token.span()
            if small and not _stands_alone(text, start, end):
                continue
            if wanted in _readings(token[0], text[max(0, start - 4) : start], text[end : end + 12]):
                found.add(_with_currency(text, start, end))
    return sorted(found)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """A small number is no part of a word; `5x` is five."""
    return not text[start - 1 : start].isalpha() and (not text[end : end + 1].isalpha() or text[end] in "x×")  # noqa: RUF001


def _with_currency(text: str, start: int, end: int) -> Span:
    before = _CURRENCY.search(text, max(0, start - 2), start)
    return (before.start() if before else start), end + (text[end : end + 1] == "%")


def _readings(token: str, before: str, after: str) -> set[Decimal]:
    """Every number that these digits may mean, given what stands around them."""
    found = set(_decimals(re.sub(r"['’\s]", "", token)))  # noqa: RUF001 - both apostrophes occur
    if scale := _SCALE.match(after):
        found |= {number.scaleb(_TIMES[scale[1]]) for number in found}
    if after.lstrip()[:1] == "%":
        found |= {number / 100 for number in found}
    if _SIGN.search(before):
        found |= {-number for number in found}
    return found


def _decimals(digits: str) -> Iterator[Decimal]:
    """The last of two kinds of marks is the point; one mark alone may also part thousands."""
    whole, mark, rest = digits.rpartition(max(".,", key=digits.rfind)) if _MARK.search(digits) else (digits, "", "")
    others = _MARK.findall(whole)
    if mark not in others:
        yield Decimal(f"{_MARK.sub('', whole)}.{rest or '0'}")
    if mark and (set(others) == {mark} or (not others and len(rest) == THREE and 0 < len(whole) <= THREE)):
        yield Decimal(_MARK.sub("", digits))


def _string_places(value: str, text: str) -> list[Span]:
    days = _days_of(value)
    clock = _CLOCK.search(value)
    if days and (clock is None or clock[1] == "00:00" or clock[1] in text):
        found = [(start, end) for start, end, readings in dates_in(text) if days & readings]
        if found:
            return found
    if _SEPARATED.fullmatch(value) and not days:
        return [span for number in _readings(*_parted(value)) for span in _number_places(number, text)]
    return _words_places(value, text)


def _days_of(value: str) -> set[Day]:
    """The days that a string may mean which is a date, with or without a time, and nothing else."""
    found = ((start, value[end:].replace("T", " ", 1), days) for start, end, days in dates_in(value))
    return {day for start, rest, days in found if start == 0 and (not rest or _CLOCK.match(rest)) for day in days}


def _parted(value: str) -> tuple[str, str, str]:
    """(digits, before, after) of a string that is one number."""
    found = re.search(r"\d.*\d|\d", value)
    assert found is not None
    return found[0], value[: found.start()], value[found.end() :]


def _words_places(value: str, text: str) -> list[Span]:
    """By letters and digits alone: line ends, hyphens and punctuation differ between a page and an answer."""
    wanted = fold(value, words_only=True).text
    if not wanted:
        return [(found.start(), found.end()) for found in re.finditer(re.escape(value), text)] if value else []
    last = max((at for at, char in enumerate(value) if char.isalnum()), default=len(value) - 1)
    tail = value[last + 1 :]
    folded = fold(text, words_only=True)
    spans, at = [], folded.text.find(wanted)
    while at >= 0:
        start, end = folded.starts[at], folded.ends[at + len(wanted) - 1]
        if is_word(text, start, end):
            spans.append((start, end + len(tail) if text.startswith(tail, end) else end))
        at = folded.text.find(wanted, at + 1)
    return spans


def dates_in(text: str) -> Iterator[tuple[int, int, set[Day]]]:
    """(start, end, the days that it may mean) of every date."""
    for pattern, read in _DATES:
        for found in pattern.finditer(text):
            days = {day for day in read(found) if 1 <= day[1] <= 12 and 1 <= day[2] <= 31}  # noqa: PLR2004
            if days:
                yield found.start(), found.end(), days


def _year_last(found: re.Match[str]) -> set[Day]:
    one, two, year = int(found[1]), int(found[3]), _year(found[4])
    # With full stops the day always comes first.
    return {(year, two, one)} if found[2] == "." else {(year, two, one), (year, one, two)}


def _with_word(day: str, word: str, year: str) -> set[Day]:
    plain = "".join(part for part in normalize("NFKD", word.casefold()) if part.isalpha())
    month = _MONTH.get(plain[:4]) or _MONTH.get(plain[:3])
    return {(_year(year), month, int(day))} if month else set()


def _year(digits: str) -> int:
    year = int(digits)
    return year if len(digits) > 2 else year + (2000 if year < _CENTURY else 1900)  # noqa: PLR2004


_DATES = (
    (_YEAR_FIRST, lambda found: {(int(found[1]), int(found[2]), int(found[3]))}),
    (_YEAR_LAST, _year_last),
    (_DAY_WORD, lambda found: _with_word(found[1], found[2], found[3])),
    (_WORD_DAY, lambda found: _with_word(found[2], found[1], found[3])),
)

"""What headers say about waiting: Retry-After in its many spellings, rate limits and their resets.

One rule: a header is a rumour. What cannot be read, is negative or lies more than a day ahead is ignored, never
guessed at. There is no clock here: a date is measured against the answer's own `date` header, and without one it
is ignored too. Header names are lower case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from packmule.core.calls import RateHint

WAIT_MAX_S = 24 * 3600.0
COUNT_MAX = 10**12

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_COUNT = re.compile(r"\d{1,12}", re.ASCII)
_N = r"(\d{1,12}(?:\.\d{1,12})?)"
_DURATION = re.compile(rf"(?:{_N}d)?(?:{_N}h)?(?:{_N}m(?!s))?(?:{_N}s)?(?:{_N}ms)?", re.ASCII)
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)

Headers = Mapping[str, str]


def retry_after_s(headers: Headers) -> float | None:
    """Seconds to wait as the provider asked: `retry-after-ms`, then `retry-after` in seconds or as a date."""
    millis = number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return sane(millis / 1000)
    text = headers.get("retry-after", "").strip()
    wait = number(text)
    return sane(wait) if wait is not None else _until(_http_date(text), headers)


def spent_reset_s(hint: RateHint | None) -> float | None:
    """The longest reset of a limit of which nothing remains; for a 429 that names no wait itself."""
    if hint is None:
        return None
    pairs = ((hint.requests_remaining, hint.requests_reset_s), (hint.tokens_remaining, hint.tokens_reset_s))
    return max((reset for left, reset in pairs if left == 0 and reset is not None), default=None)


def number(text: str) -> float | None:
    """A plain decimal number, not signed, not NaN, not infinite."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def count(headers: Headers, name: str) -> int | None:
    """A header that is a whole number."""
    text = headers.get(name, "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def sane(wait_s: float | None) -> float | None:
    """A wait from now up to a day ahead, else None."""
    return wait_s if wait_s is not None and 0 <= wait_s <= WAIT_MAX_S else None


def duration_s(text: str) -> float | None:
    """A duration like '6m0s', '1h2m', '20ms', '7.66s', or plain seconds."""
    text = text.strip()
    plain = number(text)
    if plain is not None:
        return sane(plain)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    return sane(sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True) if part))


def reset_s(headers: Headers, name: str) -> float | None:
    """A header that is an RFC 3339 time, as seconds after the answer's `date`."""
    try:
        moment = datetime.fromisoformat(headers.get(name, "").strip())
    except ValueError:
        return None
    return _until(moment, headers)


def _until(moment: datetime | None, headers: Headers) -> float | None:
    now = _http_date(headers.get("date", ""))
    if moment is None or now is None:
        return None
    return sane((_utc(moment) - _utc(now)).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

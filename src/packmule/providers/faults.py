"""What an HTTP status means: one table for all vendors, one function. Vendor files add only what differs.

Documented non-processing is `rejected`, and its hold is released. Whatever may have been processed is `unknown`.
A sentence for people never holds a header, a key or a control character.
"""

from __future__ import annotations

import math
import unicodedata
from email.utils import parsedate_to_datetime

import msgspec

from packmule.core.calls import Fault, FaultKind, Outcome, Received

BODY_KEPT = 65_536
SENTENCE_MAX = 300
RETRY_AFTER_MAX_S = 24 * 3600.0

TABLE: dict[int, tuple[FaultKind, Outcome, str]] = {
    400: ("invalid_request", "rejected", "the request is not valid"),
    401: ("auth", "rejected", "the key is wrong"),
    402: ("quota", "rejected", "the account has no credit"),
    403: ("auth", "rejected", "the key may not do this"),
    404: ("invalid_request", "rejected", "there is no such model or address"),
    405: ("invalid_request", "rejected", "the address does not take this request"),
    408: ("overloaded", "rejected", "the provider gave the request up"),
    409: ("server_error", "unknown", "the provider reports a conflict"),
    413: ("invalid_request", "rejected", "the request is too large"),
    422: ("invalid_request", "rejected", "the request cannot be processed as it is"),
    429: ("rate_limit", "rejected", "too many requests"),
    503: ("overloaded", "rejected", "the provider is overloaded"),
    529: ("overloaded", "rejected", "the provider is overloaded"),
}
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low", "billing_error"}


def classify(received: Received, *, quota_words: tuple[str, ...] = ()) -> Fault:
    """The fault of an answer that is no 200. `quota_words` tell a 429 for an empty purse from one for haste."""
    status = received.status
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return fault(received, "redirect", "unknown", "the address redirects, so the base URL is wrong")
    if status in TABLE:
        kind, outcome, words = TABLE[status]
    elif 400 <= status < 500:  # noqa: PLR2004 - client errors
        kind, outcome, words = "invalid_request", "rejected", "the request was refused"
    else:
        kind, outcome, words = "server_error", "unknown", "the provider failed"
    said, code = error_words(received.body)
    lower = f"{code} {said}".lower()
    if status == 429 and (code in _QUOTA_CODES or any(word in lower for word in quota_words)):  # noqa: PLR2004
        kind, words = "quota", "the quota or credit is used up"
    return fault(received, kind, outcome, f"{status} {words}{f': {said}' if said else ''}")


def fault(received: Received, kind: FaultKind, outcome: Outcome, message: str) -> Fault:
    """A fault with what came, bounded."""
    return Fault(
        kind,
        outcome,
        plain(message),
        status=received.status,
        retry_after_s=retry_after_s(received.headers),
        body=received.body[:BODY_KEPT],
    )


def malformed(received: Received, why: str) -> Fault:
    """A 200 that is no answer: it may have been billed."""
    return fault(received, "malformed", "unknown", f"the answer cannot be read: {why}")


def plain(text: str) -> str:
    """One bounded line without control characters."""
    words = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    return words if len(words) <= SENTENCE_MAX else f"{words[: SENTENCE_MAX - 4]} ..."


def parse_object(body: bytes) -> dict[str, object] | None:
    """The body as a JSON object, None for anything else."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def error_words(body: bytes) -> tuple[str, str]:
    """(message, code or type) of an error body in any vendor's shape; empty where there is none."""
    found = parse_object(body)
    error = found.get("error") if found is not None else None
    if isinstance(error, str):
        return error, ""
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code")
    name = code if isinstance(code, str) else error.get("type") or error.get("status") or ""
    return str(error.get("message") or ""), str(name)


def retry_after_s(headers: dict[str, str]) -> float | None:
    """Seconds of retry-after-ms or retry-after (seconds, or a date against the answer's own Date header)."""
    millis = _seconds(headers.get("retry-after-ms"))
    if millis is not None:
        return _bounded(millis / 1000)
    text = headers.get("retry-after")
    if text is None:
        return None
    found = _seconds(text)
    return _bounded(found if found is not None else _until(text, headers.get("date")))


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _until(text: str, now: str | None) -> float | None:
    if now is None:
        return None
    try:
        return (parsedate_to_datetime(text) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value) or not 0 <= value <= RETRY_AFTER_MAX_S:
        return None
    return value

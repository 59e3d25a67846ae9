"""What an HTTP status means: one table, one function. Vendor files add only what differs, as `Special` rows.

The outcome is about money. `rejected`: the provider says that it did not process the request, so nothing is owed.
`unknown`: it may have, so the worst case stays on the books until it is reconciled. When in doubt, unknown.

Messages are for people: one sentence, bounded, without control characters, and without anything that looks like a
key. The body is kept, bounded, never a header.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import msgspec

from packmule.core.calls import Fault, FaultKind, Outcome, RateHint, Received
from packmule.providers.headers import retry_after_s, spent_reset_s

BODY_MAX = 65_536
MESSAGE_MAX = 300

Row = tuple[FaultKind, Outcome]

STATUSES: dict[int, Row] = {
    400: ("invalid_request", "rejected"),
    401: ("auth", "rejected"),
    402: ("quota", "rejected"),
    403: ("auth", "rejected"),
    404: ("invalid_request", "rejected"),
    408: ("overloaded", "rejected"),
    409: ("server_error", "unknown"),
    413: ("invalid_request", "rejected"),
    422: ("invalid_request", "rejected"),
    425: ("overloaded", "rejected"),
    429: ("rate_limit", "rejected"),
    498: ("overloaded", "rejected"),
    499: ("server_error", "unknown"),
    500: ("server_error", "unknown"),
    502: ("server_error", "unknown"),
    503: ("overloaded", "rejected"),
    504: ("server_error", "unknown"),
    522: ("server_error", "unknown"),
    524: ("server_error", "unknown"),
    529: ("overloaded", "rejected"),
}
CLASSES: dict[int, Row] = {
    3: ("redirect", "unknown"),
    4: ("invalid_request", "rejected"),
    5: ("server_error", "unknown"),
}
STRANGE: Row = ("malformed", "unknown")

PHRASES: dict[FaultKind, str] = {
    "invalid_request": "it refuses the request",
    "auth": "it does not accept the key, or the key may not do this",
    "quota": "the account has no credit or quota left",
    "rate_limit": "too many requests or tokens a minute",
    "overloaded": "it is overloaded",
    "server_error": "it failed inside",
    "redirect": "it points to another address, which is never followed; is the base URL right?",
    "malformed": "that is no answer",
}

_KEYS = re.compile(
    r"(?i)\b(?:bearer\s+\S+|(?:sk|pk|rk|gsk|csk|xai|key|tgp|AIza|AQ)[-_.*][-_.*\w]{6,}|AIza[-_\w]{10,}|\w{2,8}\*{3,}\w*)"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What an error body says: its type or code words, its message, and other words a `Special` looks at."""

    words: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Special:
    """An answer that means something else than its status does: when `pattern` is found in what was said."""

    status: int
    pattern: re.Pattern[str]
    kind: FaultKind
    outcome: Outcome = "rejected"


def special(status: int, pattern: str, kind: FaultKind) -> Special:
    """A row of a vendor's own table; the pattern ignores case."""
    return Special(status, re.compile(pattern, re.IGNORECASE), kind)


def row_of(status: int) -> Row:
    """Kind and outcome of a status that is not a success."""
    return STATUSES.get(status) or CLASSES.get(status // 100, STRANGE)


def fault_of(
    received: Received,
    specials: tuple[Special, ...] = (),
    hint: RateHint | None = None,
    wait_s: float | None = None,
) -> Fault:
    """The fault of an answer whose status is no success. `wait_s` is a wait that the vendor's body names."""
    said = said_by(received.body)
    kind, outcome = _kind(received.status, said, specials)
    asked = retry_after_s(received.headers)
    if asked is None:
        asked = wait_s
    if asked is None and kind == "rate_limit":
        asked = spent_reset_s(hint)
    words = said.message or PHRASES.get(kind, "")
    message = sentence(f"the provider answered {received.status}: {words}")
    return Fault(kind, outcome, message, received.status, asked, received.body[:BODY_MAX])


def _kind(status: int, said: Said, specials: tuple[Special, ...]) -> Row:
    text = f"{said.words} {said.message}"
    for row in specials:
        if row.status == status and row.pattern.search(text):
            return row.kind, row.outcome
    return row_of(status)


def malformed(received: Received, why: str) -> Fault:
    """A success that is no answer; it may have been billed."""
    message = sentence(f"the provider answered {received.status} with something that is no answer: {why}")
    return Fault("malformed", "unknown", message, received.status, body=received.body[:BODY_MAX])


def cut(received: Received, why: str) -> Fault:
    """An error that came inside a success; it may have been billed."""
    message = sentence(f"the provider began with {received.status} and then reported an error: {why}")
    return Fault("cut", "unknown", message, received.status, body=received.body[:BODY_MAX])


def said_by(body: bytes) -> Said:
    """The error in a body, in any of the shapes that providers and the servers before them use."""
    try:
        value = msgspec.json.decode(body[:BODY_MAX])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _plain(body)
    if isinstance(value, list) and value:
        value = value[0]
    return _said(value)


def _said(value: Any) -> Said:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return Said()
    error = value.get("error") or value
    if isinstance(error, str):
        return Said(message=error)
    if not isinstance(error, dict):
        return Said()
    words = " ".join(str(error[name]) for name in ("type", "code", "status", "param") if error.get(name))
    message = next((error[name] for name in ("message", "detail", "error") if isinstance(error.get(name), str)), "")
    details = error.get("details") or error.get("metadata")
    if details:
        words = f"{words} {msgspec.json.encode(details).decode(errors='replace')[:4096]}"
    return Said(words, message)


def _plain(body: bytes) -> Said:
    """A page of HTML says nothing to a person; a line of text does."""
    text = body[:1024].decode(errors="replace").strip().lstrip("\ufeff")
    if text.startswith("<"):
        return Said(message="a web page instead of JSON; is the base URL right, or a proxy in the way?")
    return Said(message=text if len(text) > 1 and not text.startswith(("{", "[")) else "")


def sentence(text: str) -> str:
    """One clean line of bounded length, with what looks like a key masked."""
    clean = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text[: 8 * MESSAGE_MAX])
    clean = _KEYS.sub("***", " ".join(clean.split()))
    return clean if len(clean) <= MESSAGE_MAX else clean[: MESSAGE_MAX - 1] + "…"

"""Reading a provider's JSON without trusting it: every field may be missing, of another type, or untrue.

Usage that cannot be true is None, and an attempt without usage settles at its worst case: a provider's silence
never makes a call cheaper.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from packmule.core.calls import Fault, Received, Usage
from packmule.providers.faults import cut, malformed, said_by

# Beyond every model's window; and a cost of so many still fits the store's 64 bits at the dearest price.
TOKENS_MAX = 10**8
NAME_MAX = 200

Object = dict[str, Any]


class Untrue(ValueError):
    """A count that is no count."""


def document(received: Received) -> Object | Fault:
    """The JSON object of a success; a fault when there is none, or when it holds an error."""
    value = parsed(received)
    if isinstance(value, Fault):
        return value
    if value.get("error") or value.get("type") == "error":
        return cut(received, said_by(received.body).message or "no reason given")
    return value


def parsed(received: Received) -> Object | Fault:
    """The JSON object of a success, whatever it says; the first of a list where that is an error."""
    try:
        value = parse(received.body)
    except (ValueError, RecursionError):
        return malformed(received, _what(received.body))
    if isinstance(value, list) and value and isinstance(value[0], dict) and value[0].get("error"):
        value = value[0]
    return value if isinstance(value, dict) else malformed(received, "JSON, but no object")


def parse(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Any JSON. Raises ValueError, RecursionError.

    Half of a surrogate pair, which a paid answer may hold, is too much for msgspec; the stdlib reads it.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return json.loads(body.decode("utf-8"))


def unparse(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """JSON again, half surrogates included."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def _what(body: bytes) -> str:
    if not body.strip():
        return "an empty body"
    return "a web page; is the base URL right?" if body.lstrip()[:1] == b"<" else "no JSON, or only a part of it"


def as_object(value: Any) -> Object:  # noqa: ANN401 - any JSON value
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The text, or an empty one; half surrogates become replacement marks, so that it can be stored."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def as_name(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A short text, as the name of a model is."""
    return as_text(value)[:NAME_MAX]


def tokens(holder: Object, name: str) -> int:
    """A count of tokens, 0 where it is absent. Raises Untrue for what is no count."""
    value = holder.get(name)
    if value is None:
        return 0
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    raise Untrue(name)


def true_usage(usage: Usage, text: str) -> Usage | None:
    """The usage, or None when it cannot be true: no input, no output for a text, more cached than there was."""
    if usage.tokens_in <= 0 or (usage.tokens_out == 0 and text):
        return None
    if usage.tokens_cached + usage.tokens_cache_write > usage.tokens_in or usage.tokens_reasoning > usage.tokens_out:
        return None
    return usage

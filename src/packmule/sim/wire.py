"""What the three wire protocols share: the face that the provider sees, and reading a body with a vendor's rigour."""

from __future__ import annotations

import json
from typing import Any, Protocol

from msgspec import Struct

from packmule.sim.asked import Asked, Refused, Said

_MESSAGES = {
    401: "Incorrect API key provided.",
    402: "You exceeded your current quota, please check your plan and billing details.",
    403: "Your key may not use this model.",
    404: "Unknown address: {path}. This box speaks /v1/chat/completions, /v1/messages and /v1beta/models/…",
    429: "Rate limit reached for this model. Please try again in {wait}.",
    502: "Bad gateway.",
    503: "That model is currently overloaded with other requests.",
    504: "The request took too long.",
    529: "Overloaded",
}


class Reported(Struct, frozen=True):
    """The usage that an answer tells; it need not be the truth."""

    tokens_in: int
    tokens_out: int


class Rate(Struct, frozen=True):
    """One limit a minute: its size, what is left, and in how many seconds it is whole again."""

    limit: int
    remaining: int
    reset_s: float


class Rates(Struct, frozen=True):
    """Both limits; None where there is none. `utc_s` is the moment they were read."""

    utc_s: float
    requests: Rate | None = None
    tokens: Rate | None = None


class Wire(Protocol):
    """One vendor's protocol. Pure. A used-up credit is told with `quota_status`."""

    name: str
    quota_status: int

    def parse(self, model: str, headers: dict[str, str], data: dict[str, Any]) -> Asked | Refused:
        """Read a body as the vendor would; `model` is the one in the path, if the path names one."""
        ...

    def answer(self, asked: Asked, said: Said, usage: Reported | None, mark: str, utc_s: int) -> dict[str, Any]:
        """The body of a 200. `mark` makes its ids."""
        ...

    def error(
        self, status: int, message: str, *, param: str | None = None, wait_s: float | None = None
    ) -> dict[str, Any]:
        """The body of an error. A 402 is the vendor's way to say that the credit is used up."""
        ...

    def headers(self, rates: Rates, mark: str) -> dict[str, str]:
        """What every answer carries."""
        ...

    def models(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The list of models."""
        ...


class BodyError(ValueError):
    """A body that the vendor would refuse; carries the parameter."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def worded(status: int, path: str = "", wait_s: float = 0.0) -> str:
    """What is said with a status when there is nothing more to say."""
    message = _MESSAGES.get(status, "The server had an error while processing your request.")
    return message.format(path=path, wait=f"{wait_s:.3f}s")


def read_object(body: bytes) -> dict[str, Any] | Refused:
    """The JSON object that a body is."""
    try:
        data = json.loads(body)
    except ValueError:
        return Refused(400, "We could not parse the JSON body of your request.")
    return data if isinstance(data, dict) else Refused(400, "The body of your request must be a JSON object.")


def encoded(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """JSON as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def whole(data: dict[str, Any], key: str, low: int = 1) -> int | None:
    """An optional integer of at least `low`."""
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"Invalid type for '{key}': expected an integer."
        raise BodyError(message, key)
    if value < low:
        message = f"Invalid value for '{key}': expected an integer of at least {low}, got {value}."
        raise BodyError(message, key)
    return value


def between(data: dict[str, Any], key: str, low: float, high: float) -> None:
    """Check an optional number."""
    value = data.get(key)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        message = f"Invalid value for '{key}': expected a number between {low:g} and {high:g}."
        raise BodyError(message, key)


def no_stream(data: dict[str, Any]) -> None:
    """Streams are not in the box."""
    if data.get("stream"):
        message = "This provider in a box does not stream; leave out 'stream'."
        raise BodyError(message, "stream")


def closed_objects(schema: Any, where: str = "()", *, all_required: bool) -> None:  # noqa: ANN401 - any JSON
    """Strict schemas must close every object, and with OpenAI name every property as required."""
    if isinstance(schema, list):
        for entry in schema:
            closed_objects(entry, where, all_required=all_required)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" or "properties" in schema:
        _closed(schema, where, all_required=all_required)
    for key in ("properties", "$defs", "definitions"):
        if isinstance(schema.get(key), dict):
            for name, part in schema[key].items():
                closed_objects(part, f"('{key}', '{name}')", all_required=all_required)
    for key in ("items", "anyOf", "oneOf", "allOf"):
        closed_objects(schema.get(key), f"('{key}',)", all_required=all_required)


def _closed(schema: dict[str, Any], where: str, *, all_required: bool) -> None:
    if schema.get("additionalProperties") is not False:
        message = f"In context={where}, 'additionalProperties' is required to be supplied and to be false."
        raise BodyError(message)
    missing = set(schema.get("properties", {})) - set(schema.get("required", []))
    if all_required and missing:
        message = (
            f"In context={where}, 'required' is required to be supplied and to be an array including every key in"
            f" properties. Missing '{min(missing)}'."
        )
        raise BodyError(message)

"""Anthropic's messages."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from packmule.sim.asked import Asked, JsonSchema, Refused, Said
from packmule.sim.pdf import document_words
from packmule.sim.wire import BodyError, Rate, Rates, Reported, between, closed_objects, no_stream, whole

_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MEDIA = {"image", "document"}
_UNSUPPORTED = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems",
}  # fmt: skip


class AnthropicWire:
    """`POST /v1/messages`."""

    name = "anthropic"
    quota_status = 402

    def parse(self, model: str, headers: dict[str, str], data: dict[str, Any]) -> Asked | Refused:
        """Read a messages request."""
        del model
        try:
            if "anthropic-version" not in headers:
                message = "anthropic-version: header is required"
                raise BodyError(message)  # noqa: TRY301 - all refusals leave by one door
            return _asked(data)
        except BodyError as error:
            return Refused(400, str(error), error.param)

    def answer(self, asked: Asked, said: Said, usage: Reported | None, mark: str, utc_s: int) -> dict[str, Any]:
        """A message."""
        del utc_s
        reason = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}[said.finish]
        body: dict[str, Any] = {
            "id": f"msg_{mark}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [{"type": "text", "text": said.text}] if said.text else [],
            "stop_reason": reason,
            "stop_sequence": None,
        }
        if usage is not None:
            body["usage"] = {
                "input_tokens": usage.tokens_in,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": usage.tokens_out,
                "service_tier": "standard",
            }
        return body

    def error(
        self, status: int, message: str, *, param: str | None = None, wait_s: float | None = None
    ) -> dict[str, Any]:
        """An error object."""
        del param, wait_s
        kind = _KINDS.get(status, "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}

    def headers(self, rates: Rates, mark: str) -> dict[str, str]:
        """Resets are moments, RFC 3339."""
        found = {"request-id": f"req_{mark}", "anthropic-organization-id": "box"}
        named = (("requests", rates.requests), ("tokens", rates.tokens), ("input-tokens", rates.tokens),
                 ("output-tokens", rates.tokens))  # fmt: skip
        for what, rate in named:
            if rate is not None:
                found |= _rate(what, rate, rates.utc_s)
        return found

    def models(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The list of models."""
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ]
        return {"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def _rate(what: str, rate: Rate, utc_s: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(utc_s + rate.reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"anthropic-ratelimit-{what}"
    return {
        f"{name}-limit": str(rate.limit),
        f"{name}-remaining": str(rate.remaining),
        f"{name}-reset": moment,
    }


def _asked(data: dict[str, Any]) -> Asked:
    for key in ("model", "messages", "max_tokens"):
        if data.get(key) is None:
            message = f"{key}: Field required"
            raise BodyError(message, key)
    if not isinstance(data["model"], str) or not data["model"]:
        message = "model: Input should be a valid string"
        raise BodyError(message, "model")
    no_stream(data)
    between(data, "temperature", 0, 1)
    bound = whole(data, "max_tokens")
    turns, images = _messages(data["messages"])
    return Asked(data["model"], _system(data.get("system")), turns, _schema(data), tokens_out_max=bound, images=images)


def _messages(value: Any) -> tuple[tuple[tuple[str, str], ...], int]:  # noqa: ANN401 - any JSON
    if not isinstance(value, list) or not value:
        message = "messages: at least one message is required"
        raise BodyError(message, "messages")
    turns, images = [], 0
    for number, entry in enumerate(value):
        role = entry.get("role") if isinstance(entry, dict) else None
        if role not in {"user", "assistant"}:
            message = f"messages.{number}.role: Input should be 'user' or 'assistant'"
            raise BodyError(message, "messages")
        text, pictures = _content(entry.get("content"), f"messages.{number}.content")
        turns.append((role, text))
        images += pictures
    return tuple(turns), images


def _content(value: Any, place: str) -> tuple[str, int]:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and value:
        return value, 0
    if not isinstance(value, list) or not value:
        message = f"{place}: Field required, and it must not be empty"
        raise BodyError(message, "messages")
    texts, images = [], 0
    for number, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and part.get("text"):
            texts.append(str(part["text"]))
        elif kind in _MEDIA and isinstance(part.get("source"), dict):
            said = document_words(str(part["source"].get("media_type")), part["source"].get("data"))
            texts += [said] if said else []
            images += not said
        else:
            message = f"{place}.{number}: Input should be a text, image or document block that is not empty"
            raise BodyError(message, "messages")
    return "\n".join(texts), images


def _system(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "\n".join(part["text"] for part in value)
    message = "system: Input should be a string or a list of text blocks"
    raise BodyError(message, "system")


def _schema(data: dict[str, Any]) -> JsonSchema | None:
    config = data.get("output_config")
    form = config.get("format") if isinstance(config, dict) else data.get("output_format")
    if form is None:
        return None
    if not isinstance(form, dict) or form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
        message = "output_config.format: Input should be a json_schema with a schema"
        raise BodyError(message, "output_config")
    schema: dict[str, Any] = form["schema"]
    try:
        closed_objects(schema, all_required=False)
    except BodyError as error:
        message = f"output_config.format.schema: For 'object' type: {error}"
        raise BodyError(message, "output_config") from error
    _supported(schema)
    return schema


def _supported(schema: Any) -> None:  # noqa: ANN401 - any JSON
    """Bounds on numbers, lengths and counts are refused by Anthropic; its SDK moves them into descriptions."""
    for part in schema if isinstance(schema, list) else [schema]:
        if not isinstance(part, dict):
            continue
        odd = sorted(_UNSUPPORTED & part.keys()) + (["minItems"] if part.get("minItems", 0) not in {0, 1} else [])
        if odd and "type" in part:
            message = f"output_config.format.schema: For '{part['type']}' type, property '{odd[0]}' is not supported"
            raise BodyError(message, "output_config")
        for key in ("properties", "$defs", "definitions"):
            _supported(list(part[key].values()) if isinstance(part.get(key), dict) else None)
        for key in ("items", "anyOf", "oneOf", "allOf"):
            _supported(part.get(key))

"""Anthropic messages. Input tokens are reported in three parts, which add up; resets are RFC 3339 times.

There is no bound-free request: `max_tokens` always goes out. A schema goes out as `output_config.format`.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from packmule.core.calls import (
    Answer,
    BlobSource,
    Bounds,
    Fault,
    Finish,
    Message,
    Part,
    RateHint,
    Received,
    Request,
    TextPart,
)
from packmule.errors import UsageError
from packmule.providers import tokens
from packmule.providers.faults import classify, fault, malformed, parse_object, plain
from packmule.providers.openai import encoded
from packmule.providers.strict import closed

VERSION = "2023-06-01"
_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


class AnthropicCodec:
    """`/v1/messages`."""

    name = "anthropic"

    def url(self, base_url: str, model: str) -> str:
        """Where a request goes; a base URL may end in /v1 or not."""
        del model
        return base_url.rstrip("/").removesuffix("/v1") + "/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        """The API's version always goes along."""
        known = {"content-type": "application/json", "anthropic-version": VERSION}
        return known if key is None else {**known, "x-api-key": key}

    def encode(self, request: Request, model: str, blobs: BlobSource) -> bytes:
        """The wire body. Raises UsageError for what this protocol cannot carry."""
        if request.want == "image":
            message = "Anthropic models give no images"
            raise UsageError(message, hint="ask with want='text', or another model")
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": tokens.output_bound(request, reasoning=False),
            "messages": [_message(message, blobs) for message in request.messages],
        }
        if request.system:
            body["system"] = request.system
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            schema = closed(msgspec.json.decode(request.schema))
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return msgspec.json.encode(body)

    def bounds(self, request: Request, model: str, body: bytes) -> Bounds:
        """Upper bounds of tokens."""
        del model
        return tokens.bounds(request, body, tokens.output_bound(request, reasoning=False))

    def decode(self, received: Received) -> Answer | Fault:
        """Read a response; never raises."""
        if received.status != 200:  # noqa: PLR2004 - HTTP
            return classify(received)
        found = parse_object(received.body)
        if found is None:
            return malformed(received, "it is not a JSON object")
        if found.get("type") == "error":
            said = plain(str(tokens.get(found, "error", "message") or found.get("error")))
            return fault(received, "cut", "unknown", f"an error came inside the answer: {said}")
        content = found.get("content")
        if not isinstance(content, list):
            return malformed(received, "it has no content")
        text = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict) and "text" in part)
        finish = _FINISH.get(str(found.get("stop_reason")), "other")
        return Answer(text, finish, _usage(found, text), str(found.get("model") or ""))

    def hint(self, received: Received) -> RateHint | None:
        """anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}; times against the answer's own Date."""
        headers = received.headers
        if not any(name.startswith("anthropic-ratelimit-") for name in headers):
            return None
        values: list[float | None] = []
        for kind in ("requests", "tokens"):
            names = (f"anthropic-ratelimit-{kind}-{what}" for what in ("limit", "remaining"))
            values += [float(headers[name]) if headers.get(name, "").isdigit() else None for name in names]
            values.append(_until(headers.get(f"anthropic-ratelimit-{kind}-reset"), headers.get("date")))
        whole = [None if value is None else int(value) for value in values]
        return RateHint(whole[0], whole[1], values[2], whole[3], whole[4], values[5])


def _usage(found: dict[str, object], text: str) -> Any:  # noqa: ANN401 - Usage or None
    usage = found.get("usage")
    parts = [tokens.get(usage, name) for name in _INPUT_PARTS]
    plain_in, read, written = (tokens.count(part) if part is not None else 0 for part in parts)
    if plain_in is None or read is None or written is None or parts[0] is None:
        return None
    return tokens.usage_of(
        plain_in + read + written,
        tokens.get(usage, "output_tokens"),
        text=text,
        tokens_cached=read,
        tokens_cache_write=written,
    )


_INPUT_PARTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _until(text: str | None, now: str | None) -> float | None:
    if text is None or now is None:
        return None
    try:
        return max(0.0, (datetime.fromisoformat(text) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return None


def _message(message: Message, blobs: BlobSource) -> dict[str, Any]:
    if all(isinstance(part, TextPart) for part in message.parts):
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_part(part, blobs) for part in message.parts]}


def _part(part: Part, blobs: BlobSource) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    kind = "image" if part.media.startswith("image/") else "document"
    return {"type": kind, "source": {"type": "base64", "media_type": part.media, "data": encoded(part, blobs)}}

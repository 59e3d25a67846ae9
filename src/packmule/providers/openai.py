"""OpenAI chat completions, and every server that speaks them (vLLM, Ollama, Groq, Cerebras, OpenRouter ...).

OpenAI itself takes `max_completion_tokens`; most compatible servers know only `max_tokens`. Reasoning models refuse
a temperature. Rate-limit resets are durations: "6m0s".
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import msgspec

from packmule.core.calls import (
    Answer,
    BlobPart,
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
from packmule.providers.strict import strict_or_not

PATH = "/chat/completions"
_REASONING = re.compile(r"^(o\d|gpt-5(?!-chat)|gpt-oss)")
_QUOTA_WORDS = ("insufficient_quota", "exceeded your current quota", "billing")
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class OpenAICodec:
    """`compatible` is any server but OpenAI's own."""

    name = "openai"

    def __init__(self, *, compatible: bool = False) -> None:
        self._compatible = compatible

    def url(self, base_url: str, model: str) -> str:
        """Where a request goes."""
        del model
        return base_url.rstrip("/") + PATH

    def headers(self, key: str | None) -> dict[str, str]:
        """Without a key where the server needs none."""
        plain_headers = {"content-type": "application/json"}
        return plain_headers if key is None else {**plain_headers, "authorization": f"Bearer {key}"}

    def encode(self, request: Request, model: str, blobs: BlobSource) -> bytes:
        """The wire body. Raises UsageError for what this protocol cannot carry."""
        if request.want == "image":
            message = "this model is asked for an image, which chat completions do not give"
            raise UsageError(message, hint="ask with want='text'")
        messages: list[dict[str, Any]] = []
        if request.system:
            messages.append({"role": "system", "content": request.system})
        messages += [_message(message, blobs) for message in request.messages]
        bound = "max_tokens" if self._compatible else "max_completion_tokens"
        body: dict[str, Any] = {"model": model, "messages": messages, bound: self._bound(request, model)}
        if request.temperature is not None and not self._reasoning(model):
            body["temperature"] = request.temperature
        if request.schema is not None:
            schema, strict = strict_or_not(msgspec.json.decode(request.schema))
            form = {"name": "answer", "schema": schema, "strict": strict}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return msgspec.json.encode(body)

    def bounds(self, request: Request, model: str, body: bytes) -> Bounds:
        """Upper bounds of tokens."""
        return tokens.bounds(request, body, self._bound(request, model))

    def _bound(self, request: Request, model: str) -> int:
        return tokens.output_bound(request, reasoning=self._reasoning(model))

    def _reasoning(self, model: str) -> bool:
        return not self._compatible and _REASONING.match(model) is not None

    def decode(self, received: Received) -> Answer | Fault:
        """Read a response; never raises."""
        if received.status != 200:  # noqa: PLR2004 - HTTP
            return classify(received, quota_words=_QUOTA_WORDS)
        found = parse_object(received.body)
        if found is None:
            return malformed(received, "it is not a JSON object")
        if found.get("error"):
            return fault(received, "cut", "unknown", f"an error came inside the answer: {plain(str(found['error']))}")
        message = tokens.get(found, "choices", 0, "message")
        if not isinstance(message, dict):
            return malformed(received, "it has no choices")
        text, finish = _text(message, tokens.get(found, "choices", 0, "finish_reason"))
        usage = tokens.usage_of(
            tokens.get(found, "usage", "prompt_tokens"),
            tokens.get(found, "usage", "completion_tokens"),
            text=text,
            tokens_cached=tokens.get(found, "usage", "prompt_tokens_details", "cached_tokens"),
            tokens_reasoning=tokens.get(found, "usage", "completion_tokens_details", "reasoning_tokens"),
        )
        return Answer(text, finish, usage, str(found.get("model") or ""))

    def hint(self, received: Received) -> RateHint | None:
        """x-ratelimit-{limit,remaining,reset}-{requests,tokens}."""
        headers = received.headers
        if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-remaining-tokens" not in headers:
            return None
        values = {name: headers.get(f"x-ratelimit-{name}") for name in _HINTS}
        return RateHint(
            _whole(values["limit-requests"]),
            _whole(values["remaining-requests"]),
            duration_s(values["reset-requests"]),
            _whole(values["limit-tokens"]),
            _whole(values["remaining-tokens"]),
            duration_s(values["reset-tokens"]),
        )


_HINTS = tuple(f"{what}-{kind}" for kind in ("requests", "tokens") for what in ("limit", "remaining", "reset"))


def duration_s(text: str | None) -> float | None:
    """'6m0s', '20ms', '1h2m3.5s' as seconds; None for anything else."""
    if not text:
        return None
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _text(message: dict[str, Any], reason: object) -> tuple[str, Finish]:
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return refusal, "refusal"
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else "", _FINISH.get(str(reason), "other")


def _message(message: Message, blobs: BlobSource) -> dict[str, Any]:
    if all(isinstance(part, TextPart) for part in message.parts):
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_part(part, blobs) for part in message.parts]}


def _part(part: Part, blobs: BlobSource) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    data = f"data:{part.media};base64,{encoded(part, blobs)}"
    if part.media.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data}}
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": data}}


def encoded(part: BlobPart, blobs: BlobSource) -> str:
    """A blob in base64."""
    return b64encode(part.data if part.data is not None else blobs(part.sha256)).decode()

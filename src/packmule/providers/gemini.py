"""Gemini generateContent. Thinking tokens are billed as output; a blocked prompt has no candidates."""

from __future__ import annotations

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

_FINISH: dict[str, Finish] = {"STOP": "stop", "MAX_TOKENS": "length"}
_FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"}
_QUOTA_WORDS = ("billing", "spend limit", "prepayment")


class GeminiCodec:
    """`/v1beta/models/{model}:generateContent`."""

    name = "gemini"

    def url(self, base_url: str, model: str) -> str:
        """Where a request goes; a base URL may end in /v1beta or not."""
        return f"{base_url.rstrip('/').removesuffix('/v1beta')}/v1beta/models/{model}:generateContent"

    def headers(self, key: str | None) -> dict[str, str]:
        """The key goes into a header, never into the URL."""
        known = {"content-type": "application/json"}
        return known if key is None else {**known, "x-goog-api-key": key}

    def encode(self, request: Request, model: str, blobs: BlobSource) -> bytes:
        """The wire body. Raises UsageError for what this protocol cannot carry."""
        if request.want == "image":
            message = f"{model} is asked for an image, which is not built yet"
            raise UsageError(message, hint="ask with want='text'")
        config: dict[str, Any] = {"maxOutputTokens": _bound(request, model)}
        if request.temperature is not None:
            config["temperature"] = request.temperature
        if request.schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = msgspec.json.decode(request.schema)
        body: dict[str, Any] = {
            "contents": [_content(message, blobs) for message in request.messages],
            "generationConfig": config,
        }
        if request.system:
            body["systemInstruction"] = {"parts": [{"text": request.system}]}
        return msgspec.json.encode(body)

    def bounds(self, request: Request, model: str, body: bytes) -> Bounds:
        """Upper bounds of tokens."""
        return tokens.bounds(request, body, _bound(request, model))

    def decode(self, received: Received) -> Answer | Fault:
        """Read a response; never raises."""
        if received.status != 200:  # noqa: PLR2004 - HTTP
            return classify(received, quota_words=_QUOTA_WORDS)
        found = parse_object(received.body)
        if found is None:
            return malformed(received, "it is not a JSON object")
        if found.get("error"):
            return fault(received, "cut", "unknown", f"an error came inside the answer: {plain(str(found['error']))}")
        model = str(found.get("modelVersion") or "")
        if blocked := tokens.get(found, "promptFeedback", "blockReason"):
            text = f"the prompt was blocked: {plain(str(blocked))}"
            return Answer(text, "content_filter", _usage(found, ""), model)
        if not isinstance(tokens.get(found, "candidates", 0), dict):
            return malformed(received, "it has no candidates")
        text, finish = _text(found)
        return Answer(text, finish, _usage(found, text), model)

    def hint(self, received: Received) -> RateHint | None:
        """Gemini documents no rate-limit headers."""
        del received
        return None


def _bound(request: Request, model: str) -> int:
    return tokens.output_bound(request, reasoning=not model.startswith(("gemini-1", "gemini-2.0")))


def _text(found: dict[str, object]) -> tuple[str, Finish]:
    parts = tokens.get(found, "candidates", 0, "content", "parts")
    shown = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    text = "".join(str(part.get("text") or "") for part in shown if not part.get("thought"))
    reason = str(tokens.get(found, "candidates", 0, "finishReason"))
    return text, "content_filter" if reason in _FILTERED else _FINISH.get(reason, "other")


def _usage(found: dict[str, object], text: str) -> Any:  # noqa: ANN401 - Usage or None
    meta = found.get("usageMetadata")
    answer, thoughts = tokens.get(meta, "candidatesTokenCount"), tokens.get(meta, "thoughtsTokenCount")
    out = tokens.count(0 if answer is None else answer)
    thought = tokens.count(0 if thoughts is None else thoughts)
    if out is None or thought is None:
        return None
    return tokens.usage_of(
        tokens.get(meta, "promptTokenCount"),
        out + thought,
        text=text,
        tokens_cached=tokens.get(meta, "cachedContentTokenCount"),
        tokens_reasoning=thought,
    )


def _content(message: Message, blobs: BlobSource) -> dict[str, Any]:
    role = "model" if message.role == "assistant" else "user"
    return {"role": role, "parts": [_part(part, blobs) for part in message.parts]}


def _part(part: Part, blobs: BlobSource) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    return {"inlineData": {"mimeType": part.media, "data": encoded(part, blobs)}}

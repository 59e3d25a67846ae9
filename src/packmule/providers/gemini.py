"""Gemini generateContent. The model stands in the address, so a body is the same for every model.

Thoughts are billed as output and reported beside it; our tokens_out counts both. A blocked prompt is an answer
without text, not a fault: the provider did its work and may bill it. Deliberately absent: tools, safety settings,
cached contents, thinking budgets.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from packmule.core.calls import (
    Answer,
    BlobPart,
    BlobSource,
    Bounds,
    Fault,
    Finish,
    Message,
    RateHint,
    Received,
    Request,
    TextPart,
    Usage,
)
from packmule.providers import reading
from packmule.providers.attachments import base64_of, require_text, sort_of, text_of
from packmule.providers.bounds import bounds_of
from packmule.providers.codec import Codec
from packmule.providers.faults import fault_of, malformed, special
from packmule.providers.headers import duration_s
from packmule.providers.reading import Object, as_list, as_name, as_object, as_text
from packmule.providers.traits import output_max

# 258 tokens a tile and up to 16 tiles, or one of the newer fixed resolutions (at most 2,240).
IMAGE_TOKENS = 8_192

FINISHES: dict[str, Finish] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
FILTERED = frozenset(
    (
        "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT"
        " IMAGE_RECITATION MODEL_ARMOR ESCALATION"
    ).split()
)

SPECIALS = (
    special(400, r"api key|api_key_invalid", "auth"),
    special(400, r"billing", "quota"),
    special(429, r"perday|per_day|per day|prepa(?:y|id)|spend(?:ing)? (?:cap|limit)|limit: 0\b", "quota"),
)


def encode(model: str, request: Request, blobs: BlobSource) -> bytes:
    """The body of POST models/NAME:generateContent. Raises UsageError for what cannot be asked."""
    require_text(request, "Gemini generateContent")
    config: Object = {"maxOutputTokens": output_max(model, request.max_output_tokens)}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = msgspec.Raw(request.schema)
    body: Object = {"contents": [_content(message, blobs) for message in request.messages]}
    if request.system is not None:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    body["generationConfig"] = config
    return msgspec.json.encode(body)


def _content(message: Message, blobs: BlobSource) -> Object:
    if message.role == "assistant":
        return {"role": "model", "parts": [{"text": message.text}]}
    return {"role": "user", "parts": [_part(part, blobs) for part in message.parts]}


def _part(part: TextPart | BlobPart, blobs: BlobSource) -> Object:
    if isinstance(part, TextPart):
        return {"text": part.text}
    if sort_of(part) == "text":
        return {"text": text_of(part, blobs)}
    return {"inlineData": {"mimeType": part.media, "data": base64_of(part, blobs)}}


def bounds(model: str, request: Request, body: bytes) -> Bounds:
    """Upper bounds of an encoded request."""
    return bounds_of(model, request, body, image_tokens=IMAGE_TOKENS)


def decode(received: Received) -> Answer | Fault:
    """Read an answer. Never raises."""
    if received.status // 100 != 2:  # noqa: PLR2004 - the class of successes
        return fault_of(received, SPECIALS, wait_s=_retry_delay_s(received))
    body = reading.document(received)
    if isinstance(body, Fault):
        return body
    model = as_name(body.get("modelVersion"))
    candidates = as_list(body.get("candidates"))
    candidate = as_object(candidates[0]) if candidates else {}
    if not candidate:
        if not as_object(body.get("promptFeedback")).get("blockReason"):
            return malformed(received, "it holds no candidate")
        return Answer("", "content_filter", _usage(body, ""), model)
    text = _text(as_object(candidate.get("content")))
    return Answer(text, _finish(candidate.get("finishReason")), _usage(body, text), model)


def _text(content: Object) -> str:
    parts = [as_object(part) for part in as_list(content.get("parts"))]
    return "".join(as_text(part.get("text")) for part in parts if part.get("thought") is not True)


def _finish(reason: Any) -> Finish:  # noqa: ANN401 - any JSON value
    name = as_text(reason)
    return "content_filter" if name in FILTERED else FINISHES.get(name, "other")


def _usage(body: Object, text: str) -> Usage | None:
    usage = as_object(body.get("usageMetadata"))
    try:
        thoughts = reading.tokens(usage, "thoughtsTokenCount")
        found = Usage(
            reading.tokens(usage, "promptTokenCount") + reading.tokens(usage, "toolUsePromptTokenCount"),
            reading.tokens(usage, "candidatesTokenCount") + thoughts,
            tokens_cached=reading.tokens(usage, "cachedContentTokenCount"),
            tokens_reasoning=thoughts,
        )
    except reading.Untrue:
        return None
    return reading.true_usage(found, text)


def _retry_delay_s(received: Received) -> float | None:
    """`RetryInfo.retryDelay` in the details of an error, like '37s'."""
    try:
        value = msgspec.json.decode(received.body)
    except (ValueError, RecursionError):
        return None
    value = value[0] if isinstance(value, list) and value else value
    details = as_list(as_object(as_object(value).get("error")).get("details"))
    found = (duration_s(as_text(as_object(detail).get("retryDelay"))) for detail in details)
    return next((wait for wait in found if wait is not None), None)


def hint(received: Received) -> RateHint | None:
    """Gemini says nothing about limits in its headers."""
    del received
    return None


def url(base: str, model: str) -> str:
    """The address to post to; a base URL may end with the version of the interface or not."""
    root = base.removesuffix("/v1beta").removesuffix("/v1")
    return f"{root}/v1beta/models/{quote(model, safe='-._~')}:generateContent"


def auth(key: str | None) -> dict[str, str]:
    """The headers of a key; never in the address, where logs would keep it."""
    return {"x-goog-api-key": key} if key else {}


CODEC = Codec(encode, bounds, decode, hint, url, auth)

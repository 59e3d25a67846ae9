"""Anthropic messages. An output bound is always sent; a schema goes out as `output_config.format`.

`usage.input_tokens` there leaves out what was read from or written to the cache; our tokens_in counts all of it.
Deliberately absent: tools, thinking budgets, cache marks, beta headers.
"""

from __future__ import annotations

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
from packmule.providers import headers, reading
from packmule.providers.attachments import base64_of, is_plain, require_text, sort_of, text_of
from packmule.providers.bounds import bounds_of
from packmule.providers.codec import Codec
from packmule.providers.faults import fault_of, malformed, special
from packmule.providers.reading import Object, as_list, as_name, as_object, as_text
from packmule.providers.schemas import ANTHROPIC, in_dialect
from packmule.providers.traits import output_max, refuses_temperature

# Version 2026-10-21 refuses a temperature for every model; this one leaves it to the older models that take it.
VERSION = "2023-06-01"

# The largest image that is not scaled down costs about 4,800 tokens on the newest models, 1,600 on others.
IMAGE_TOKENS = 8_192

FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}

SPECIALS = (
    special(400, r"credit balance is too low|usage limits|billing_error", "quota"),
    special(403, r"billing|usage limits", "quota"),
    special(429, r"billing_error|usage limits|spend(?:ing)? limit", "quota"),
)


def encode(model: str, request: Request, blobs: BlobSource) -> bytes:
    """The body of POST /v1/messages. Raises UsageError for what cannot be asked."""
    require_text(request, "Anthropic messages")
    body: Object = {"model": model, "max_tokens": output_max(model, request.max_output_tokens)}
    if request.system is not None:
        body["system"] = request.system
    body["messages"] = [_message(message, blobs) for message in request.messages]
    if request.temperature is not None and not refuses_temperature(model):
        body["temperature"] = request.temperature
    if request.schema is not None:
        shape = in_dialect(request.schema, ANTHROPIC) or msgspec.Raw(request.schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": shape}}
    return msgspec.json.encode(body)


def _message(message: Message, blobs: BlobSource) -> Object:
    if is_plain(message):
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_block(part, blobs) for part in message.parts]}


def _block(part: TextPart | BlobPart, blobs: BlobSource) -> Object:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    sort = sort_of(part)
    if sort == "text":
        return {"type": "text", "text": text_of(part, blobs)}
    source = {"type": "base64", "media_type": part.media, "data": base64_of(part, blobs)}
    if sort == "image":
        return {"type": "image", "source": source}
    block: Object = {"type": "document", "source": source}
    if part.name:
        block["title"] = part.name
    return block


def bounds(model: str, request: Request, body: bytes) -> Bounds:
    """Upper bounds of an encoded request."""
    return bounds_of(model, request, body, image_tokens=IMAGE_TOKENS)


def decode(received: Received) -> Answer | Fault:
    """Read an answer. Never raises."""
    if received.status // 100 != 2:  # noqa: PLR2004 - the class of successes
        return fault_of(received, SPECIALS, hint(received))
    body = reading.document(received)
    if isinstance(body, Fault):
        return body
    if not isinstance(body.get("content"), list):
        return malformed(received, "it holds no content")
    blocks = [as_object(block) for block in as_list(body["content"])]
    text = "".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text")
    finish = FINISHES.get(as_text(body.get("stop_reason")), "other")
    return Answer(text, finish, _usage(as_object(body.get("usage")), text), as_name(body.get("model")))


def _usage(usage: Object, text: str) -> Usage | None:
    try:
        cached = reading.tokens(usage, "cache_read_input_tokens")
        written = reading.tokens(usage, "cache_creation_input_tokens")
        found = Usage(
            reading.tokens(usage, "input_tokens") + cached + written,
            reading.tokens(usage, "output_tokens"),
            tokens_cached=cached,
            tokens_cache_write=written,
            tokens_reasoning=reading.tokens(as_object(usage.get("output_tokens_details")), "thinking_tokens"),
        )
    except reading.Untrue:
        return None
    return reading.true_usage(found, text)


def hint(received: Received) -> RateHint | None:
    """The anthropic-ratelimit headers; None when there are none."""
    found = received.headers
    name = "anthropic-ratelimit"
    sort = "tokens" if f"{name}-tokens-limit" in found else "input-tokens"
    read = RateHint(
        requests_limit=headers.count(found, f"{name}-requests-limit"),
        requests_remaining=headers.count(found, f"{name}-requests-remaining"),
        requests_reset_s=headers.reset_s(found, f"{name}-requests-reset"),
        tokens_limit=headers.count(found, f"{name}-{sort}-limit"),
        tokens_remaining=headers.count(found, f"{name}-{sort}-remaining"),
        tokens_reset_s=headers.reset_s(found, f"{name}-{sort}-reset"),
    )
    return None if read == RateHint() else read


def url(base: str, model: str) -> str:
    """The address to post to; a base URL may end with /v1 or not."""
    del model
    return f"{base.removesuffix('/v1')}/v1/messages"


def auth(key: str | None) -> dict[str, str]:
    """The headers of a key."""
    version = {"anthropic-version": VERSION}
    return {"x-api-key": key, **version} if key else version


CODEC = Codec(encode, bounds, decode, hint, url, auth)

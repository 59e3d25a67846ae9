"""OpenAI chat completions, as OpenAI and every server that speaks its language understand them.

Servers differ in three things, which a `Dialect` holds: the name of the output bound, whether a JSON Schema may be
given, and how to ask for JSON without one. Deliberately absent: streaming, tools, more than one choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

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
from packmule.providers.faults import cut, fault_of, malformed, special
from packmule.providers.reading import Object, as_list, as_name, as_object, as_text
from packmule.providers.schemas import OPENAI_STRICT, in_dialect
from packmule.providers.traits import output_max, refuses_temperature, short_name

# One image in full detail, or in `original` detail with up to 10,000 patches, on any model but the next.
IMAGE_TOKENS = 16_384
# gpt-4o-mini multiplies image tokens: 2,833 + 8 tiles x 5,667.
IMAGE_TOKENS_4O_MINI = 50_000

RATE_HEADERS = tuple(
    f"x-ratelimit-{word}-{of}" for word in ("limit", "remaining", "reset") for of in ("requests", "tokens")
)
FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}

SPECIALS = (
    special(429, r"request too large", "invalid_request"),
    special(
        429,
        r"insufficient_quota|billing_hard_limit|billing_not_active|current quota|out of credits|available credits"
        r"|insufficient (?:balance|credit|funds)|spending limit|access_terminated",
        "quota",
    ),
    special(400, r"billing_hard_limit|insufficient_quota", "quota"),
    special(403, r"moderation|flagged", "invalid_request"),
    special(403, r"credits|spending limit|insufficient (?:balance|quota)", "quota"),
)

_JSON_WORDS = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema:"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server differs. `bound_field` is the name of its output bound; `json` what it accepts for a schema."""

    bound_field: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    json: Literal["json_schema", "json_object"] = "json_schema"


OPENAI = Dialect(bound_field="max_completion_tokens")
COMPATIBLE = Dialect()
JSON_OBJECT = Dialect(json="json_object")


def encode(dialect: Dialect, model: str, request: Request, blobs: BlobSource) -> bytes:
    """The body of POST /chat/completions. Raises UsageError for what cannot be asked."""
    require_text(request, "OpenAI chat completions")
    messages = [_message(message, blobs) for message in request.messages]
    system = _system(dialect, request)
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    body: Object = {"model": model, "messages": messages}
    body[dialect.bound_field] = output_max(model, request.max_output_tokens)
    if request.temperature is not None and not refuses_temperature(model):
        body["temperature"] = request.temperature
    if request.schema is not None:
        body["response_format"] = _response_format(dialect, request.schema)
    return msgspec.json.encode(body)


def _system(dialect: Dialect, request: Request) -> str | None:
    if request.schema is None or dialect.json == "json_schema":
        return request.system
    words = f"{_JSON_WORDS}\n{request.schema}"
    return f"{request.system}\n\n{words}" if request.system else words


def _response_format(dialect: Dialect, schema: str) -> Object:
    if dialect.json == "json_object":
        return {"type": "json_object"}
    strict = in_dialect(schema, OPENAI_STRICT)
    shape = {"name": "answer", "strict": strict is not None, "schema": strict or msgspec.Raw(schema)}
    return {"type": "json_schema", "json_schema": shape}


def _message(message: Message, blobs: BlobSource) -> Object:
    if is_plain(message):
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_part(part, blobs) for part in message.parts]}


def _part(part: TextPart | BlobPart, blobs: BlobSource) -> Object:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    sort = sort_of(part)
    if sort == "text":
        return {"type": "text", "text": text_of(part, blobs)}
    url = f"data:{part.media};base64,{base64_of(part, blobs)}"
    if sort == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": url}}


def bounds(model: str, request: Request, body: bytes) -> Bounds:
    """Upper bounds of an encoded request."""
    mini = short_name(model).startswith("gpt-4o-mini")
    return bounds_of(model, request, body, image_tokens=IMAGE_TOKENS_4O_MINI if mini else IMAGE_TOKENS)


def decode(received: Received) -> Answer | Fault:
    """Read an answer. Never raises."""
    if received.status // 100 != 2:  # noqa: PLR2004 - the class of successes
        return fault_of(received, SPECIALS, hint(received))
    body = reading.document(received)
    if isinstance(body, Fault):
        return body
    choices = as_list(body.get("choices"))
    choice = as_object(choices[0]) if choices else {}
    if choice.get("error"):
        return cut(received, as_text(as_object(choice["error"]).get("message")) or "no reason given")
    if not isinstance(choice.get("message"), dict):
        return malformed(received, "it holds no choice with a message")
    text, finish = _said(choice)
    return Answer(text, finish, _usage(as_object(body.get("usage")), text), as_name(body.get("model")))


def _said(choice: Object) -> tuple[str, Finish]:
    message = as_object(choice["message"])
    content = message.get("content")
    text = as_text(content)
    if isinstance(content, list):
        parts = [as_object(part) for part in content]
        text = "".join(
            as_text(part.get("text")) for part in parts if as_text(part.get("type")) in {"text", "output_text"}
        )
    refusal = as_text(message.get("refusal"))
    if refusal and not text:
        return refusal, "refusal"
    return text, FINISHES.get(as_text(choice.get("finish_reason")), "other")


def _usage(usage: Object, text: str) -> Usage | None:
    """Some (xAI, gateways) leave reasoning out of completion_tokens; then the total shows it."""
    inside = as_object(usage.get("prompt_tokens_details"))
    outside = as_object(usage.get("completion_tokens_details"))
    try:
        tokens_in = reading.tokens(usage, "prompt_tokens")
        tokens_out = max(reading.tokens(usage, "completion_tokens"), reading.tokens(usage, "total_tokens") - tokens_in)
        cached = reading.tokens(inside, "cached_tokens") or reading.tokens(usage, "prompt_cache_hit_tokens")
        found = Usage(
            tokens_in,
            tokens_out,
            tokens_cached=cached,
            tokens_cache_write=reading.tokens(inside, "cache_write_tokens"),
            tokens_reasoning=reading.tokens(outside, "reasoning_tokens"),
        )
    except reading.Untrue:
        return None
    return reading.true_usage(found, text)


def hint(received: Received) -> RateHint | None:
    """The x-ratelimit headers; None when there are none."""
    found = received.headers
    if found.keys().isdisjoint(RATE_HEADERS):
        return None
    read = RateHint(
        requests_limit=headers.count(found, "x-ratelimit-limit-requests"),
        requests_remaining=headers.count(found, "x-ratelimit-remaining-requests"),
        requests_reset_s=headers.duration_s(found.get("x-ratelimit-reset-requests", "")),
        tokens_limit=headers.count(found, "x-ratelimit-limit-tokens"),
        tokens_remaining=headers.count(found, "x-ratelimit-remaining-tokens"),
        tokens_reset_s=headers.duration_s(found.get("x-ratelimit-reset-tokens", "")),
    )
    return None if read == RateHint() else read


def url(base: str, model: str) -> str:
    """The address to post to."""
    del model
    return f"{base}/chat/completions"


def auth(key: str | None) -> dict[str, str]:
    """The headers of a key."""
    return {"authorization": f"Bearer {key}"} if key else {}


def codec(dialect: Dialect) -> Codec:
    """The codec of a server that speaks this dialect."""
    return Codec(partial(encode, dialect), bounds, decode, hint, url, auth)

"""What is asked and what comes back: requests, answers, usage, faults. Frozen values, no behaviour of the world.

A `Request` is canonical: the same ask always encodes to the same bytes, because a call's identity is their
digest. Secrets never stand in a request. Blobs over `INLINE_MAX` bytes stand as a hash only.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct

INLINE_MAX = 65_536

Want = Literal["text", "image"]
Finish = Literal["stop", "length", "refusal", "content_filter", "other"]
Outcome = Literal["not_sent", "rejected", "unknown"]

# The closed set of what can go wrong with one attempt.
FaultKind = Literal[
    "local",  # this machine has no more files or memory for a connection
    "connect",  # DNS, connect, pool or TLS failed before a request byte
    "rate_limit",  # 429, or its like: this bucket waits
    "overloaded",  # 503 / 529: the provider sheds load
    "quota",  # credit or billing limit: waiting does not help
    "auth",  # 401 / 403: the key is wrong or may not do this
    "invalid_request",  # 400 / 404 / 413 / 422: the same request will fail again
    "server_error",  # 500 / 502 / 504 and kin: it may have been billed
    "timeout",  # no full answer in time
    "reset",  # the connection broke after the request was sent
    "cut",  # the answer ended early, or an error came inside a 200
    "malformed",  # a 200 that is not an answer
    "redirect",  # 3xx: the base URL is wrong; never followed
    "died",  # our own process ended while the attempt was on its way
    "stopped",  # dropped by a person
]


class TextPart(Struct, frozen=True, tag="text"):
    """Words of a message."""

    text: str


class BlobPart(Struct, frozen=True, tag="blob", omit_defaults=True):
    """An image or document. `data` is set up to INLINE_MAX bytes; larger ones are found by `sha256`."""

    media: str
    sha256: str
    size: int
    name: str = ""
    data: bytes | None = None


Part = TextPart | BlobPart
BlobSource = Callable[[str], bytes]
"""sha256 (hex) -> the blob's bytes."""


class Message(Struct, frozen=True):
    """One turn. The system prompt is not a message; it stands in `Request.system`."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All words of this message, parts joined by a newline."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


class Request(Struct, frozen=True, omit_defaults=True):
    """One ask in canonical form.

    `models` are full names in order of preference (`openai/gpt-5-mini`). `schema` is the canonical JSON text of a JSON
    Schema. `max_output_tokens` is None when the recipe set no bound.
    """

    models: tuple[str, ...]
    messages: tuple[Message, ...]
    system: str | None = None
    schema: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    want: Want = "text"


_encoder = msgspec.json.Encoder(order="deterministic")
_request_decoder = msgspec.json.Decoder(Request)


def canonical(request: Request) -> bytes:
    """The one byte form of a request; its digest is the call's identity and it is what the journal keeps."""
    return _encoder.encode(request)


def parse_request(data: bytes) -> Request:
    """Back from `canonical`."""
    return _request_decoder.decode(data)


def digest_of(data: bytes) -> bytes:
    """16 bytes are enough to tell the calls of one item apart and stay small in an index."""
    return sha256(data).digest()[:16]


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider reported them.

    `tokens_in` counts all input, cached and cache-written included; `tokens_out` all output, reasoning included.
    """

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    tokens_cache_write: int = 0
    tokens_reasoning: int = 0


class Answer(Struct, frozen=True, omit_defaults=True):
    """A decoded answer of a provider. `usage` is None when it was missing or could not be true.

    `raw` is what the provider wrote, where that is kept.
    """

    text: str
    finish: Finish
    usage: Usage | None
    model: str = ""
    blobs: tuple[BlobPart, ...] = ()
    raw: str = ""


class Fault(Struct, frozen=True):
    """Why an attempt has no answer. `outcome` is the attempt state it leads to.

    `retry_after_s` is seconds the provider asked for. `body` is what came (bounded), never headers.
    `usage` is what is known to have been used, if anything is.
    """

    kind: FaultKind
    outcome: Outcome
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    body: bytes = b""
    usage: Usage | None = None


class WireRequest:
    """One HTTP request. `headers` may hold a key: never journaled, logged or shown, not even by repr."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"WireRequest({self.method} {self.url}, {len(self.body)} bytes)"


class Received(Struct, frozen=True):
    """A whole HTTP answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class RateHint(Struct, frozen=True):
    """What the rate-limit headers said; None where they said nothing. Resets in seconds from now."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset_s: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset_s: float | None = None


class Bounds(Struct, frozen=True):
    """Upper bounds of one attempt: what it can cost at most, in tokens."""

    tokens_in: int
    tokens_out: int


class Reply(Struct, frozen=True):
    """What `ask` returns.

    `value` is the answer parsed by the schema (or the text without one); `cost_pico` the true cost of the
    answering attempt in picodollars; `model` the full name that answered.
    """

    text: str
    value: Any
    usage: Usage | None
    cost_pico: int
    model: str
    finish: Finish
    blobs: tuple[BlobPart, ...] = ()

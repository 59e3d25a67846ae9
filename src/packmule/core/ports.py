"""The seams to the world: time, endpoints, blobs, checks. Engine code is given these and nothing else.

Each has one shipped real part and one shipped fake; none is ever patched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from packmule.core.calls import (
    Answer,
    BlobSource,
    Bounds,
    Fault,
    RateHint,
    Received,
    Request,
    WireRequest,
)
from packmule.core.group import Group
from packmule.core.money import Price
from packmule.core.rows import ItemJournal, ItemRow, Wish


class Clock(Protocol):
    """Durations are monotonic, records are UTC."""

    def now_s(self) -> float:
        """Monotonic seconds."""
        ...

    def utc_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...

    async def sleep(self, wait_s: float) -> None:
        """Let `wait_s` seconds pass."""
        ...


class Transport(Protocol):
    """Bytes out, bytes in. Never raises for what the network or the server does: that is a Fault."""

    async def send(self, request: WireRequest, timeout_s: float) -> Received | Fault:
        """One HTTP request. `timeout_s` bounds the whole exchange. Redirects are not followed."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...


class Endpoint(Protocol):
    """One model at one provider, ready to be called: codec, address, key, price."""

    @property
    def model(self) -> str:
        """Full name, `openai/gpt-5-mini`; also the name of its bucket (pace, breaker)."""
        ...

    @property
    def place(self) -> str:
        """Where it lives: what was learnt of one place says nothing of the same model at another."""
        ...

    @property
    def price(self) -> Price: ...

    @property
    def growth_per_min(self) -> float | None:
        """How much the width may grow a minute (2.0 = double), or None when the provider sets no such limit."""
        ...

    @property
    def reads_pdf(self) -> bool:
        """Are PDF documents understood as they are?"""
        ...

    def encode(self, request: Request, blobs: BlobSource) -> bytes:
        """The wire body."""
        ...

    def bounds(self, request: Request, body: bytes) -> Bounds:
        """Upper bounds of tokens in and out, never below what can be billed."""
        ...

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        """One attempt on the wire."""
        ...

    def decode(self, received: Received) -> Answer | Fault:
        """Read an answer; pure, also used on journaled bytes."""
        ...

    def hint(self, received: Received) -> RateHint | None:
        """What the rate-limit headers say."""
        ...


class Rejection(ValueError):
    """Why an answer is not accepted, as a sentence the model can act on.

    `kind` is the cause in a word: refusal, content_filter, length, empty, schema, check.
    """

    def __init__(self, reason: str, kind: str = "check") -> None:
        super().__init__(reason)
        self.kind = kind


class CheckedSchema(Protocol):
    """A schema that goes out with a request and judges its answer. Pure."""

    @property
    def canonical(self) -> bytes:
        """Canonical JSON of the JSON Schema."""
        ...

    def check(self, answer: Answer) -> Any:  # noqa: ANN401 - the value is the schema's own type
        """The answer's value, or `Rejection`."""
        ...

    def parse(self, value: Any) -> Any:  # noqa: ANN401 - a model instance where the schema is a model
        """The user's own type made from a checked value."""
        ...


class BlobStore(Protocol):
    """Content-addressed bytes."""

    def put(self, data: bytes) -> str:
        """Keep; returns the sha256 in hex."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes of a sha256."""
        ...


class Journal(Protocol):
    """One batch's part of the store, as the engine needs it."""

    def commit(self, epoch: int, group: Group) -> int:
        """Make a group durable; the batch's new rev. Raises LeaseLost, StoreFull."""
        ...

    def landed(self, group: Group) -> bool:
        """Is a group, whose commit failed, on disk all the same?"""
        ...

    def reopen(self) -> None:
        """Go on with a fresh handle after a failure."""
        ...

    def gone(self) -> bool:
        """Was the store deleted or replaced under us? Nothing written now would be found again."""
        ...

    def take_ballast(self) -> bool:
        """Hold space back for a full disk; False when there is none."""
        ...

    def release_ballast(self) -> None:
        """Give that space up."""
        ...

    def pending(self, *, begun: bool, after: int, limit: int, only: Sequence[int] | None = None) -> list[ItemRow]:
        """Pending items in input order; with `only`, those of these seqs."""
        ...

    def of_item(self, seq: int) -> ItemJournal:
        """Calls, attempts and notes of one item."""
        ...

    def largest_item(self) -> int:
        """The dearest finished item, in picodollars."""
        ...

    def wishes(self) -> list[Wish]:
        """Wishes not yet answered, oldest first."""
        ...

    def bucket(self, model: str) -> tuple[int, dict[str, Any]] | None:
        """(at, data): what a bucket taught an earlier process."""
        ...

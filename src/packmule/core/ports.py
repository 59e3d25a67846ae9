"""The seams to the world: time, endpoints, blobs, checks. Engine code is given these and nothing else.

Each has one shipped real part and one shipped fake; none is ever patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
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
from packmule.core.jobs import JobLimits, JobRow, JobSeen
from packmule.core.money import Price
from packmule.core.rows import HeldLine, ItemJournal, ItemRow, JobRecord, Wish


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

    async def fetch(
        self, request: WireRequest, write: Callable[[bytes], object], timeout_s: float, size_max: int
    ) -> Received | Fault:
        """The same for what is too large to be kept: the body of a success goes to `write`, piece by piece.

        Its time is `timeout_s` and a second more for every MB that came; over `size_max` bytes it is a fault. Only
        a body that ended whole gives a Received, with an empty body. Raises what `write` raises.
        """
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

    def jobs(self) -> JobsFace | None:
        """Its batch jobs, None where the provider has none."""
        ...


class JobsFace(Protocol):
    """Batch jobs of one model at one provider. Like `Endpoint` it never raises for what network or server do.

    Every method is one exchange, without a retry of its own. Only `create` can lead to a bill.
    """

    @property
    def limits(self) -> JobLimits: ...

    def line(self, name: str, body: bytes) -> bytes:
        """The line of a job that asks what the realtime `body` asks, under its custom id; without a line break."""
        ...

    def body(self, marker: str, lines: Sequence[bytes]) -> bytes:
        """All of a job as it will be sent: the file's content, or the body of `create`."""
        ...

    async def upload(self, marker: str, body: bytes) -> str | Fault:
        """Bring the file in, where `limits.uploads`; its id. An upload is never billed."""
        ...

    async def create(self, marker: str, body: bytes, file: str | None) -> JobSeen | Fault:
        """Make the job. A fault with the outcome `unknown` may have made it; `rejected` and `not_sent` have not."""
        ...

    async def poll(self, remote: str) -> JobSeen | Fault:
        """What it is now. A failing poll says nothing of the job."""
        ...

    async def cancel(self, remote: str) -> JobSeen | Fault:
        """Ask for its end; what is done stays done and is billed."""
        ...

    async def jobs(self, since_s: float) -> list[JobSeen] | Fault:
        """All jobs created since then (UTC seconds), every page. An empty list soon after a create proves nothing."""
        ...

    async def fetch(self, seen: JobSeen, into: Path) -> Fault | None:
        """Bring all results into one file, whole or not at all."""
        ...

    def rows(self, fetched: Path) -> Iterator[JobRow]:
        """The rows of a fetched file, in the provider's order. Lines that are no rows are left out."""
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

    def open_jobs(self) -> list[JobRecord]:
        """Jobs that may still bring something, oldest first."""
        ...

    def held_lines(self, marker: str) -> list[HeldLine]:
        """The lines of a job whose attempts are held."""
        ...

    def known_remotes(self) -> set[str]:
        """The provider's ids of all jobs that this store knows, of other batches too."""
        ...

    def wishes(self) -> list[Wish]:
        """Wishes not yet answered, oldest first."""
        ...

    def bucket(self, model: str) -> tuple[int, dict[str, Any]] | None:
        """(at, data): what a bucket taught an earlier process."""
        ...

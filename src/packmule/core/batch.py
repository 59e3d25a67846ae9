"""What a batch is: its identity (what makes it the same batch) and its limits (what may change on the way).

Identity is a digest of the source and everything that changes an answer. Everything else is a limit: retyping the
command with another one goes on with the same batch, and the change is recorded.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct, field

from packmule.core.money import dollars_up, usd_exact
from packmule.core.retry import ErrorName, RetryPolicy
from packmule.errors import UsageError

JOB_CALLS_MAX = 20_000
# The recipes that come along, by the names under which batches remember them.
PROMPT = "prompt"
CONVERSATION, DOCUMENT = "conversation", "document"
EXTRACT, EXTRACT_CITED = "extract", "extract-cited"
DOCUMENT_RECIPES = frozenset((DOCUMENT, EXTRACT, EXTRACT_CITED))
"""Their items are whole files."""
OWN_RECIPES = frozenset((PROMPT, CONVERSATION, *DOCUMENT_RECIPES))


class SourceMark(Struct, frozen=True):
    """The bytes a batch was made from: digest, size, and whether appended bytes may extend it."""

    name: str
    sha256: str
    size: int
    extendable: bool = False


class Spec(Struct, frozen=True, omit_defaults=True):
    """Everything that changes an answer, except the source's bytes."""

    recipe: str
    prompt: str | None = None
    system: str | None = None
    schema: str | None = None
    models: tuple[str, ...] = ()
    base_url: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    key_column: str | None = None
    where: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    limit: int | None = None


class Limits(Struct, frozen=True, omit_defaults=True):
    """What bounds a batch. Money in picodollars, times in seconds, rates a minute; None: no limit.

    `keep_raw`: what came in a job's results is kept as the provider wrote it, beside the answer that was read from it.
    """

    max_cost: int | None = None
    on_budget: Literal["stop", "warn"] = "stop"
    item_cap: int | None = None
    concurrency: int = 16
    rpm: float | None = None
    tpm: float | None = None
    retry_count: int = 3
    retry_delay_s: float = 5.0
    retry_backoff: float = 2.0
    retry_on: tuple[ErrorName, ...] | None = None
    retries_invalid: int = 2
    on_unknown: Literal["retry", "hold"] = "retry"
    timeout_s: float = 600.0
    outage_limit_s: float | None = None
    price_in: int | None = None
    price_out: int | None = None
    free: bool = False
    mode: Literal["realtime", "jobs"] = "realtime"
    items_per_job: int = 100
    max_parallel_jobs: int = 5
    job_linger_s: float = 2.0
    keep_raw: bool = False

    @property
    def width(self) -> int:
        """How many calls may be on their way at once; in jobs mode as many as the jobs hold, with a bound."""
        if self.mode == "jobs":
            return min(JOB_CALLS_MAX, self.items_per_job * self.max_parallel_jobs)
        return self.concurrency

    @property
    def live_items(self) -> int:
        """How many items are live at once."""
        return self.width if self.mode == "jobs" else max(2, 2 * self.concurrency)

    def policy(self) -> RetryPolicy:
        """The part of the limits that decides about retries."""
        return RetryPolicy(
            self.retry_count,
            self.retry_delay_s,
            self.retries_invalid,
            self.on_unknown,
            self.retry_backoff,
            self.retry_on,
        )


class Round(Struct, frozen=True, omit_defaults=True):
    """Settings that belong to one round of retries: what `retry` was given to change.

    `priced`: the limits' own price was stated for this round's model; else it speaks of the batch's models only.
    """

    number: int = 0
    priced: bool = False
    model: str | None = None
    timeout_s: float | None = None
    max_output_tokens: int | None = None


class Change(Struct, frozen=True):
    """One changed limit, for the record and the screen."""

    name: str
    before: object
    after: object


class Plan(Struct, frozen=True):
    """What a batch is created from."""

    spec: Spec
    source: SourceMark
    limits: Limits = field(default_factory=Limits)


_canonical = msgspec.json.Encoder(order="deterministic").encode


def spec_digest(spec: Spec) -> str:
    """Identity without the source: two batches that differ only in their input share it."""
    return sha256(_canonical(spec)).hexdigest()


def identity(spec: Spec, source: SourceMark) -> str:
    """The same identity and unfinished means: the same batch."""
    return sha256(f"{spec_digest(spec)}:{source.sha256}".encode()).hexdigest()


def changes(before: Struct, after: Struct) -> tuple[Change, ...]:
    """What differs between two values of one type, field by field."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in before.__struct_fields__)
    return tuple(Change(name, old, new) for name, old, new in pairs if old != new)


def limits_event(before: Limits, after: Limits, who: str, reason: str = "") -> dict[str, object]:
    """What the change feed says of changed limits."""
    changed = {change.name: [change.before, change.after] for change in changes(before, after)}
    event: dict[str, object] = {"who": who, "changes": changed}
    return {**event, "reason": reason} if reason else event


def cap_of(limits: Limits) -> int | None:
    """The cap that stops, None when there is none or it only warns."""
    return limits.max_cost if limits.on_budget == "stop" else None


def cap_words(limits: Limits) -> str:
    """'cap $10.00', 'budget $10.00 (which only warns)', 'no cap': a cap stops, and a budget is none."""
    if limits.max_cost is None:
        return "no cap"
    amount = usd_exact(limits.max_cost)
    return f"cap {amount}" if limits.on_budget == "stop" else f"budget {amount} (which only warns)"


def refuse_low_cap(limits: Limits, committed: int) -> None:
    """A cap cannot be lowered below what is or may be owed."""
    cap = cap_of(limits)
    if cap is not None and cap < committed:
        message = f"the cap {usd_exact(cap)} is below what this batch has spent or may owe already"
        raise UsageError(message, hint=f"the least it can be is --max-cost {dollars_up(committed)}")

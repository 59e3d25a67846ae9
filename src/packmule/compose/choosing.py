"""Which items a new round asks again, and what that may cost: decided before anything is changed.

A word of `only` is a state, else the name of a cause, else an item's key. Chosen items are kept as numbers, eight
bytes each.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from packmule.compose.desk import Desk
from packmule.compose.parts import Parts, is_simulated
from packmule.core.batch import Limits, Round, cap_of
from packmule.core.calls import Request, Usage, parse_request
from packmule.core.money import cost_of
from packmule.core.ports import Endpoint
from packmule.core.rows import BatchRow, FailedRow
from packmule.core.words import counted
from packmule.engine.world import price_of
from packmule.errors import UsageError
from packmule.store import Store, reads
from packmule.views.causes import VERDICTS, Causes, name_of
from packmule.views.estimate import Calls, estimate, take_sample

RETRIED = ("failed", "blocked", "skipped")
SAMPLED = 40


@dataclass(slots=True)
class Chosen:
    """All items of these states, and those of `seqs`; `count` of them in all. `idle` are words that choose none."""

    states: tuple[str, ...] = ()
    seqs: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    idle: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Quote:
    """What the chosen items may cost: picodollars, None where nobody knows; `basis` says what it was reckoned from.

    `agreed`: nobody need be asked, because a cap stops or nothing can cost anything.
    """

    likely: int | None
    basis: str
    limits: Limits
    agreed: bool


def choose(desk: Desk, row: BatchRow, only: Sequence[str] = ()) -> Chosen:
    """What these words choose; without words all that a round can ask again. Raises UsageError for an unknown word."""
    counts = reads.retryable(desk.store, row.batch)
    if not only:
        return Chosen(RETRIED, count=sum(counts.values()))
    words = _words(desk.store, row, only)
    states = tuple(state for state in RETRIED if state in words)
    chosen = Chosen(states, count=sum(counts.get(state, 0) for state in states))
    chosen.idle = [state for state in states if not counts.get(state)]
    left = [word for word in words if word not in RETRIED]
    if left:
        _choose_some(desk.store, row, left, chosen)
    return chosen


def _words(store: Store, row: BatchRow, only: Sequence[str]) -> list[str]:
    """As they were given, or parted at commas where no item is called so."""
    keys = {key for _, key, _ in reads.among(store, row.batch, [word for word in only if "," in word])}
    parts = (part.strip() for word in only for part in ([word] if word in keys else word.split(",")))
    return list(dict.fromkeys(part for part in parts if part))


def _choose_some(store: Store, row: BatchRow, words: list[str], chosen: Chosen) -> None:
    causes, seqs = Causes(), set[int]()
    for page in failed_pages(store, row):
        causes.add(page)
        seqs.update(item.seq for item in page if item.state not in chosen.states and name_of(item) in words)
    names = causes.names
    keyed = [word for word in words if word not in names]
    found = reads.among(store, row.batch, keyed)
    for seq, _, state in found:
        if state in RETRIED and state not in chosen.states:
            seqs.add(seq)
    held = {key for _, key, _ in found}
    for word in keyed:
        if word not in held and word not in VERDICTS:
            _refuse(row, word, names)
    usable = {key for _, key, state in found if state in RETRIED}
    chosen.idle += [word for word in keyed if word not in usable]
    chosen.seqs = array("q", sorted(seqs))
    chosen.count += len(seqs)


def _refuse(row: BatchRow, word: str, names: dict[str, int]) -> None:
    message = f"{row.id} has no cause, state or item called {word!r}"
    raise UsageError(message, hint=causes_there_are(names))


def causes_there_are(names: dict[str, int]) -> str:
    """'its causes are timeout (180) and schema (3)'."""
    listed = ", ".join(f"{name} ({count:,})" for name, count in names.items())
    return f"its causes are {listed}; states are {', '.join(RETRIED)}" if listed else "no item of it has failed"


def failed_pages(store: Store, row: BatchRow, after: tuple[int, int] = (-1, -1)) -> Iterator[list[FailedRow]]:
    """Failed and blocked items, page by page, in the order in which they ended."""
    while page := reads.failed(store, row.batch, after):
        after = page[-1].rev, page[-1].seq
        yield page


def quote(store: Store, row: BatchRow, parts: Parts, limits: Limits, settings: Round, chosen: Chosen) -> Quote:
    """What asking them again may cost, with the model of this round."""
    names = (settings.model,) if settings.model is not None else row.spec.models
    endpoints = [parts.endpoint(name) for name in names]
    free = bool(names) and all(
        is_simulated(name, row.spec.base_url) or endpoint.price.free
        for name, endpoint in zip(names, endpoints, strict=True)
    )
    agreed = free or cap_of(limits) is not None
    likely, basis = _likely(store, row, endpoints, settings, chosen)
    return Quote(likely, basis, limits, agreed)


def _likely(
    store: Store, row: BatchRow, endpoints: list[Endpoint], settings: Round, chosen: Chosen
) -> tuple[int | None, str]:
    done, cost, tokens_in, tokens_out = reads.completed_sums(store, row.batch)
    other = settings.model is not None or settings.priced
    if done and not other:
        return cost * chosen.count // done, f"at the mean of {counted(done, 'item')} done"
    if done and endpoints:
        one = cost_of(price_of(endpoints[0], row.limits), Usage(tokens_in // done, tokens_out // done))
        return one * chosen.count, f"with {endpoints[0].model}, at the tokens of {counted(done, 'item')} done"
    asked = _asked(store, row, chosen)
    if not asked or not endpoints:
        return None, ""
    prompts = ["\n".join(message.text for message in request.messages) for request in asked]
    endpoint, sample, first = endpoints[0], take_sample(prompts), asked[0]
    bounds = endpoint.bounds(first, endpoint.encode(first, lambda _: b""))
    extra = len(first.system or "") + len(first.schema or "")
    guess = estimate(sample, price_of(endpoint, row.limits), bounds, extra, Calls())
    basis = f"guessed from the prompts of {counted(sample.items, 'item')}"
    return guess.likely * chosen.count // sample.items, basis


def _asked(store: Store, row: BatchRow, chosen: Chosen) -> list[Request]:
    """First requests of some of the chosen items."""
    seqs = chosen.seqs[:SAMPLED].tolist() or [item.seq for item in reads.shown(store, row.batch, "failed", SAMPLED)]
    journals = (reads.requests(store, row.batch, seq) for seq in seqs)
    return [parse_request(calls[0][2]) for calls in journals if calls]

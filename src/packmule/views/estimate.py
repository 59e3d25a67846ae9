"""What a batch may cost, said before a cent is spent: low, likely, high, with the price's source and day.

Low and likely guess tokens from characters (five and four a token). Low is for answers of one token, because nobody
knows how short they come out; likely guesses them from the prompt's length. High is what the ledger would hold for
every call: each answer at its bound, each call that an item may make. It binds nobody; the cap does.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from packmule.core.calls import Bounds, Usage
from packmule.core.money import Price, cost_of, worst_case
from packmule.core.rows import BatchRow

OUT_LOW = 1
OUT_LIKELY_MIN = 80
OUT_SHARE = 4
CHARS_LOW = 5
CHARS_LIKELY = 4


class Sample(Struct, frozen=True):
    """What was counted: items to do, characters and JSON bytes of all their prompts."""

    items: int
    chars: int
    size: int
    first_prompt: str


class Calls(Struct, frozen=True):
    """How many calls one item makes: likely, and at most."""

    likely: int = 1
    most: int = 1


class Estimate(Struct, frozen=True):
    """Picodollars for all calls of the batch; `tokens_in` is the likely figure for all of them."""

    items: int
    low: int
    likely: int
    high: int
    tokens_in: int
    price: Price


class Foreseen(Struct, frozen=True):
    """What is said before a run: items to do, what they may cost in picodollars (None: nobody knows), and from what."""

    items: int = 0
    likely: int | None = None
    guess: Estimate | None = None
    first_prompt: str | None = None
    notes: tuple[str, ...] = ()


def take_sample(prompts: Iterable[str | None]) -> Sample:
    """Count the items to do (None: skipped) and what they send."""
    items = chars = size = 0
    first = ""
    for prompt in prompts:
        if prompt is not None:
            first = first if items else prompt
            chars += len(prompt)
            size += _size(prompt)
            items += 1
    return Sample(items, chars, size, first)


def estimate(sample: Sample, price: Price, bounds: Bounds, extra_chars: int, calls: Calls) -> Estimate:
    """Low, likely and high cost of a sample at `price`.

    `bounds` are those of the request with the first prompt; `extra_chars` go along with every prompt.
    """
    items = sample.items
    mean = sample.chars / items + extra_chars if items else 0.0
    low_in, likely_in = (max(1, round(mean / chars)) for chars in (CHARS_LOW, CHARS_LIKELY))
    low_out = min(bounds.tokens_out, OUT_LOW)
    likely_out = min(bounds.tokens_out, max(OUT_LIKELY_MIN, likely_in // OUT_SHARE))
    most_in = bounds.tokens_in - _size(sample.first_prompt) + (-(-sample.size // items) if items else 0)
    return Estimate(
        items,
        low=items * calls.likely * cost_of(price, Usage(low_in, low_out)),
        likely=items * calls.likely * cost_of(price, Usage(likely_in, likely_out)),
        high=items * calls.most * worst_case(price, Bounds(most_in, bounds.tokens_out)),
        tokens_in=items * calls.likely * likely_in,
        price=price,
    )


def price_of_rest(row: BatchRow) -> int | None:
    """What the pending items may cost at the mean price of the completed ones; None before there is one."""
    mean = row.per_item
    return None if mean is None or not row.pending else round(mean * row.pending)


def _size(prompt: str) -> int:
    """Bytes of a prompt inside a body."""
    return len(msgspec.json.encode(prompt)) - 2

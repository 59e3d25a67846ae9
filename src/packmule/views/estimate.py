"""What a batch may cost, said before a cent is spent: low, likely, high, with the price's source and day.

Tokens are guessed from characters: five, four and three a token. Answers are guessed from the prompt's length, and
the high figure takes every answer at its bound. An estimate binds nobody; the cap does.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from packmule.core.calls import Usage
from packmule.core.money import Price, cost_of

OUT_LOW = 20
OUT_LIKELY_MIN = 80
OUT_SHARE = 4


class Sample(Struct, frozen=True):
    """What was counted: items to do, and characters of all their prompts with what goes along with each."""

    items: int
    chars: int
    first_prompt: str


class Estimate(Struct, frozen=True):
    """Picodollars for all calls of the batch, one call an item unless the recipe says otherwise."""

    items: int
    low: int
    likely: int
    high: int
    tokens_in: int
    price: Price


def take_sample(prompts: Iterable[str | None], extra_chars: int) -> Sample:
    """Count the items to do (None: skipped) and the characters they send; `extra_chars` go along with each."""
    items = chars = 0
    first = ""
    for prompt in prompts:
        if prompt is not None:
            first = first if items else prompt
            chars += len(prompt) + extra_chars
            items += 1
    return Sample(items, chars, first)


def estimate(sample: Sample, price: Price, out_bound: int, calls: int = 1) -> Estimate:
    """Low, likely and high cost of `sample.items` items of `calls` calls each at `price`."""
    mean = sample.chars / sample.items if sample.items else 0.0
    tokens = {name: max(1, round(mean / chars)) for name, chars in (("low", 5), ("likely", 4), ("high", 3))}
    outs = {
        "low": min(out_bound, OUT_LOW),
        "likely": min(out_bound, max(OUT_LIKELY_MIN, tokens["likely"] // OUT_SHARE)),
        "high": out_bound,
    }
    costs = {name: sample.items * calls * cost_of(price, Usage(tokens[name], outs[name])) for name in tokens}
    return Estimate(
        sample.items, costs["low"], costs["likely"], costs["high"], sample.items * calls * tokens["likely"], price
    )

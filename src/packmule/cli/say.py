"""What people are told. Standard output is for results, everything else goes to standard error."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime

from packmule.core.money import usd, usd_short
from packmule.core.rows import BatchRow
from packmule.views.estimate import Estimate, Sample

SHOWN_PROMPT = 600


def say(text: str = "") -> None:
    """A line for people."""
    print(clean(text), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints to people


def tell(text: str) -> None:
    """A line of results."""
    print(clean(text), flush=True)  # noqa: T201 - the one place that prints results


def say_error(message: str, hint: str) -> None:
    """What happened, and what to type next."""
    say(f"packmule: {_ended(message)}")
    if hint:
        say(f"          {_ended(hint[0].upper() + hint[1:])}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def clean(text: str) -> str:
    """Without control characters: model output and file names must not steer the terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"} else " " for c in text)


def standing(row: BatchRow) -> str:
    """'412 of 1,000 done, $0.41 spent' with failures and unknown amounts where there are any."""
    parts = [f"{row.done:,} of {row.total:,} done"]
    parts += [f"{count:,} {name}" for name in ("failed", "blocked", "skipped") if (count := getattr(row, name))]
    parts.append(f"{usd_short(row.settled)} spent")
    if row.unknown:
        parts.append(f"{usd_short(row.unknown)} unknown")
    return ", ".join(parts)


def say_estimate(sample: Sample, guess: Estimate | None, cap: int | None, warnings: list[str]) -> None:
    """The card before spending: first prompt, items, low-likely-high, the price and where it is from."""
    first = sample.first_prompt
    say("First prompt:")
    shown = first if len(first) <= SHOWN_PROMPT else f"{first[:SHOWN_PROMPT]} ... ({len(first):,} characters)"
    say("\n".join(f"  {line}" for line in shown.splitlines()) or "  (empty)")
    for warning in warnings:
        say(f"Note: {warning}")
    if guess is None:
        say(f"{sample.items:,} items; the recipe names its models itself, so there is no estimate")
        return
    price = guess.price
    rate = f"${usd(price.input[0][1] * 10**6)} in, ${usd(price.output[0][1] * 10**6)} out per million tokens"
    day = f", {price.day}" if price.day else ""
    say(f"{sample.items:,} items, about {guess.tokens_in:,} tokens in; price: {rate} ({price.source}{day})")
    money = f"{usd_short(guess.low)} low, {usd_short(guess.likely)} likely, {usd_short(guess.high)} high"
    say(f"Estimate: {money}{'' if cap is None else f'; cap {usd_short(cap)}'}")


def when(at_us: int | None) -> str:
    """UTC to the minute."""
    return "" if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")

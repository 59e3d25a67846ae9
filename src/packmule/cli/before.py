"""Before money is spent: what these words mean, what it may cost, and whether somebody agrees."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from packmule.cli.guard import INTERRUPTED
from packmule.cli.say import say, standing
from packmule.config import dashed
from packmule.core.batch import Limits, cap_words, changes, limits_event
from packmule.core.money import usd_down, usd_exact, usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import ConsentNeeded
from packmule.views.estimate import Estimate, Foreseen, Sample, price_of_rest
from packmule.views.events import event_text

if TYPE_CHECKING:
    from packmule.compose import Desk, Prepared

SHOWN_PROMPT = 600
_VERBS = {"resume": "resuming", "extend": "extending", "finished": "finished already:"}


def announce(prepared: Prepared) -> Foreseen:
    """Say what is to be done and what it may cost."""
    row = prepared.existing
    if row is not None:
        say(f"{_VERBS[prepared.action]} {row.id}: {standing(row)}")
        if prepared.action != "finished" and changes(row.limits, prepared.order.limits):
            event = limits_event(row.limits, prepared.order.limits, "")
            say(f"Note: these limits change: {event_text('limits', event)}")
    if prepared.differs:
        say(f"A new batch: it differs from {prepared.differs[0]}")
    if prepared.action == "finished":
        return Foreseen(0, 0)
    if prepared.action == "resume" and row is not None and row.ingested and row.completed:
        return _say_rest(prepared, row)
    return _say_card(prepared)


def agree(prepared: Prepared, items: int, *, yes: bool) -> None:
    """Consent to a run over so many items."""
    if items and not yes and not prepared.agreed and prepared.unspoken:
        words = ", ".join(map(dashed, sorted(prepared.unspoken)))
        say(f"Note: only a file says {words}, and a file agrees to nothing; type it yourself, or add --yes")
    consent(prepared.order.limits, agreed=prepared.agreed or not items, yes=yes)


def consent(limits: Limits, *, agreed: bool, yes: bool) -> None:
    """A cap or --yes is consent; on a terminal a person may say so; a free endpoint never asks."""
    if yes or agreed:
        return
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        message = "this costs money, and nobody has agreed to it"
        raise ConsentNeeded(message, hint=missing(limits))
    try:
        said = typer.confirm("Spend it?", err=True)
    except typer.Abort:
        say()
        raise typer.Exit(INTERRUPTED) from None
    if not said:
        message = "not agreed; nothing was sent"
        raise ConsentNeeded(message)


def missing(limits: Limits) -> str:
    """What would be consent where there is none."""
    if limits.max_cost is None:
        return "add --max-cost 2.00 (a cap is consent) or --yes"
    if limits.on_budget == "stop":
        return "type the cap yourself (--max-cost), or add --yes"
    return "a budget only warns, so add --yes, or let it stop (--budget with --stop-on-budget, or --max-cost instead)"


def say_dry(desk: Desk, seen: Foreseen, row: BatchRow | None, cap: int | None, *, as_json: bool) -> None:
    """The end of a dry run; for programs with all that was said."""
    say("A dry run: nothing was sent.")
    if as_json:
        from packmule.cli.machine import write_estimate  # noqa: PLC0415 - only with --json

        write_estimate(desk, seen, row, cap)


def _say_rest(prepared: Prepared, row: BatchRow) -> Foreseen:
    for note in prepared.kept:
        say(f"Note: {note}")
    rest = price_of_rest(row)
    if rest is not None:
        about = f"about {usd_short(rest)} at the price of those done{bounded(prepared.order.limits)}"
        say(f"{counted(row.pending, 'item')} left, {about}")
    return Foreseen(row.pending, rest, notes=tuple(prepared.kept))


def _say_card(prepared: Prepared) -> Foreseen:
    """First prompt, items, low-likely-high, the price and where it is from."""
    sample = prepared.sample()
    guess = prepared.estimate(sample)
    first = sample.first_prompt
    say("First row:" if prepared.render is None else "First prompt:")
    shown = first if len(first) <= SHOWN_PROMPT else f"{first[:SHOWN_PROMPT]} ... ({len(first):,} characters)"
    say("\n".join(f"  {line}" for line in shown.splitlines()) or "  (empty)")
    for note in prepared.notes:
        say(f"Note: {note}")
    if guess is None:
        say(f"{counted(sample.items, 'item')}; the recipe names its models itself, so there is no estimate")
    else:
        _say_estimate(prepared, sample, guess)
    likely = None if guess is None else guess.likely
    return Foreseen(sample.items, likely, guess, first, tuple(prepared.notes))


def _say_estimate(prepared: Prepared, sample: Sample, guess: Estimate) -> None:
    price = guess.price
    rate = f"{usd_exact(price.input[0][1] * 10**6)} in, {usd_exact(price.output[0][1] * 10**6)} out per million tokens"
    day = f", {price.day}" if price.day else ""
    items = counted(sample.items, "item")
    say(f"{items}, about {counted(guess.tokens_in, 'token')} in; price: {rate} ({price.source}{day})")
    money = f"{usd_down(guess.low)} low, {usd_short(guess.likely)} likely, {usd_short(guess.high)} high"
    say(f"Estimate: {money}{bounded(prepared.order.limits)}")
    if prepared.render is None and not hasattr(prepared.recipe, "calls_max"):
        say("Note: for one call an item, because the recipe does not say how many it makes (recipe.calls_max = N)")


def bounded(limits: Limits) -> str:
    """What bounds a price, after it: '; cap $10.00'; empty where nothing does."""
    return "" if limits.max_cost is None else f"; {cap_words(limits)}"

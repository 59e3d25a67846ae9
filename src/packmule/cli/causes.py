"""`errors`: why items failed, grouped by cause, with what it burnt and whether asking again can help.

And what `retry` says before it begins: how many items, about how much, and whether somebody agrees.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.before import bounded, consent
from packmule.cli.completing import complete_batches
from packmule.cli.say import one_line, say, standing, tell
from packmule.config import store_path
from packmule.core.money import usd, usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import UsageError
from packmule.views.causes import Cause

if TYPE_CHECKING:
    from packmule.compose import Chosen, Desk, Quote

BatchArgument = Annotated[
    str | None, typer.Argument(help="Batch id, or a part of it (default: the newest).", autocompletion=complete_batches)
]
SHOWN = 20
SAMPLE_CHARS = 200


def errors(
    batch: BatchArgument = None,
    everything: Annotated[bool, typer.Option("--all", help=f"All causes, not only the {SHOWN} commonest.")] = False,
    as_json: o.JsonOption = False,
    store: o.StoreOption = None,
) -> None:
    """Why items failed, grouped by cause: how many, what they cost, samples, and whether a retry can help."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    causes = desk.causes(row)
    groups = causes.groups
    if as_json:
        _write_records(desk, row, groups)
        return
    if not groups:
        say(f"no item of {row.id} has failed: {standing(row)}")
        return
    count = sum(group.count for group in groups)
    tell(f"{row.id}: {count:,} of {counted(row.total, 'item')} failed, for {counted(len(groups), 'cause')}")
    shown = groups if everything else groups[:SHOWN]
    said: set[str] = set()
    for group in shown:
        _tell_cause(row, group, first=group.name not in said)
        said.add(group.name)
    if rest := groups[len(shown) :]:
        items = sum(group.count for group in rest)
        tell(f"\n{counted(items, 'item')} more, for {counted(len(rest), 'cause')}: packmule errors {row.id} --all")


def _write_records(desk: Desk, row: BatchRow, groups: list[Cause]) -> None:
    from packmule.cli.machine import records  # noqa: PLC0415 - only with --json
    from packmule.views.records import time_text  # noqa: PLC0415

    head = {"v": 1, "as_of": time_text(desk.utc_us()), "batch_id": row.id}
    items = [
        {
            "cause": group.name,
            "reason": group.shown,
            "count": group.count,
            "cost_usd": usd(group.cost),
            "unknown_usd": usd(group.unknown),
            "samples": [{"key": key, "reason": reason} for key, reason in group.samples],
            "retry": {"helps": group.verdict.helps, "message": group.verdict.sentence},
        }
        for group in groups
    ]
    records().write({**head, "items": items, "next": None, "truncated": False})


def _tell_cause(row: BatchRow, cause: Cause, *, first: bool) -> None:
    tell(f"\n{cause.count:,} x {cause.name}: {_line(cause.shown)}")
    lost = f", {usd_short(cause.unknown)} may have been billed for lost answers" if cause.unknown else ""
    tell(f"  burnt    {usd_short(cause.cost)}{lost}")
    for key, reason in cause.samples:
        tell(f"  sample   {one_line(key)}: {_line(reason)}")
    if not first:
        return
    tell(f"  retry    {cause.verdict.sentence}")
    if cause.verdict.helps != "no":
        tell(f"           packmule retry {row.id} --only {cause.name} {cause.verdict.option}".rstrip())


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SAMPLE_CHARS else f"{flat[:SAMPLE_CHARS]} ..."


def say_nothing_chosen(desk: Desk, row: BatchRow, only: list[str] | None) -> None:
    """Why a new round has nothing to do. Raises UsageError where that is because of the words given."""
    rest = f"; {row.pending:,} still to do: packmule resume {row.id}" if row.pending else ""
    if not only:
        out = "what --where and --skip left out stays out"
        say(f"{row.id} has nothing to retry: {standing(row)} ({out}){rest}")
        return
    there = compose.causes_there_are(desk.causes(row).names)
    words = one_line(",".join(only)) or "''"
    message = f"{row.id} has nothing to retry by --only {words}: {there}{rest}"
    raise UsageError(message, hint=f"packmule errors {row.id} shows what failed")


def agree_to_round(chosen: Chosen, quote: Quote, *, yes: bool) -> None:
    """Say what will be asked again and what it may cost; the same consent as for a run."""
    if chosen.idle:
        say(f"Note: nothing to retry by {one_line(', '.join(chosen.idle))}")
    price = "nobody knows for how much" if quote.likely is None else f"about {usd_short(quote.likely)} {quote.basis}"
    say(f"{counted(chosen.count, 'item')} to retry, {price}{bounded(quote.limits)}")
    consent(quote.limits, agreed=quote.agreed, yes=yes)

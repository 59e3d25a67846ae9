"""`pause`, `unpause`, `stop`, `cancel`, `set`: steering a batch from any terminal, by wishes that its runner grants."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.completing import complete_batches
from packmule.cli.say import one_line, say, standing, state_text
from packmule.config import limits_of, store_path
from packmule.core.batch import changes
from packmule.core.money import usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import UsageError
from packmule.views.events import event_text

BatchArgument = Annotated[
    str | None,
    typer.Argument(help="Batch id, or a part of it (default: the one that runs).", autocompletion=complete_batches),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the batch.")]
ANSWER_S = 10.0
WHO = "command line"


def pause(batch: BatchArgument = None, reason: Reason = "", store: o.StoreOption = None) -> None:
    """Start nothing new; calls on their way finish. `unpause` goes on."""
    desk, row = _running(batch, store)
    _ask(desk, row, "pause", {"reason": reason})
    flying = desk.progress(row).in_flight
    say(f"{row.id} pauses: {counted(flying, 'call')} in flight, no new calls. Go on with: packmule unpause {row.id}")


def unpause(batch: BatchArgument = None, store: o.StoreOption = None) -> None:
    """Go on after a pause."""
    desk, row = _running(batch, store)
    _ask(desk, row, "unpause", {})
    say(f"{row.id} goes on")


def stop(
    batch: BatchArgument = None,
    now: Annotated[bool, typer.Option("--now", help="Drop calls on their way; they may still be billed.")] = False,
    reason: Reason = "",
    store: o.StoreOption = None,
) -> None:
    """Stop; calls on their way finish. `resume` goes on later."""
    desk, row = _running(batch, store)
    flying = desk.progress(row).in_flight
    _ask(desk, row, "stop", {"reason": "person", "now": now, "detail": reason})
    calls = counted(flying, "call")
    what = f"drops {calls}, which may still be billed" if now else f"finishes {calls}"
    say(f"{row.id} stops and {what}. Go on with: packmule resume {row.id}")


def cancel(batch: BatchArgument = None, store: o.StoreOption = None) -> None:
    """End a batch for good: what is not done will not be done. What is done and paid stays."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    cancel_row(desk, desk.find(batch, unfinished=True))


def cancel_row(desk: compose.Desk, row: BatchRow) -> bool:
    """Cancel it; True when a runner was asked to, and will. Raises UsageError for what is over already."""
    if row.state in compose.OVER:
        message = f"{row.id} is {row.state} already: {standing(row)}"
        raise UsageError(message, hint="there is nothing left to cancel")
    if desk.alive(row):
        _ask(desk, row, "cancel", {})
        say(f"{row.id} is being cancelled; calls on their way finish")
        return True
    if desk.has_jobs(row):
        row = _cancel_jobs(desk, row)
    else:
        row = desk.cancel(row)
        desk.write_results(row, compose.folder_of(row))
    say(f"{row.id} is cancelled: {standing(row)}")
    if row.unknown:
        say(f"{usd_short(row.unknown)} may have been billed for lost answers: packmule unknown {row.id}")
    return False


def _cancel_jobs(desk: compose.Desk, row: BatchRow) -> BatchRow:
    """Its calls lie in jobs of a provider: end them, and wait for the word on what was done and is billed."""
    import asyncio  # noqa: PLC0415 - a seventh of what --help takes

    say(f"{row.id} has jobs at its provider; they are being cancelled, and what they did is fetched")
    session = compose.resume(desk, row, compose.Again(row.limits), WHO)
    with asyncio.Runner(loop_factory=compose.loop_factory()) as runner:
        # Once the run has begun, in its own loop.
        cancel = partial(runner.get_loop().call_soon, session.cancel)
        ending = runner.run(session.drive(on_ready=cancel))
    return session.finish(ending).row


def set_(
    batch: BatchArgument = None,
    reason: Reason = "",
    max_cost: o.MaxCost = None,
    item_cap: o.ItemCap = None,
    on_budget: o.OnBudget = None,
    concurrency: o.Concurrency = None,
    rpm: o.Rpm = None,
    tpm: o.Tpm = None,
    retry_count: o.RetryCount = None,
    retry_delay: o.RetryDelay = None,
    retry_backoff: o.RetryBackoff = None,
    retry_on: o.RetryOn = None,
    timeout: o.Timeout = None,
    outage_limit: o.OutageLimit = None,
    store: o.StoreOption = None,
) -> None:
    """Change limits of a batch, also while it runs; who, when and why is kept."""
    given = dict(locals())
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch, unfinished=True)
    limits = limits_of(row.limits, given)
    changed = {change.name: change.after for change in changes(row.limits, limits)}
    if not changed:
        say(f"{row.id}: nothing to change")
        return
    if desk.alive(row):
        _ask(desk, row, "limits", {**changed, "reason": reason})
    else:
        desk.set_limits(row, limits, WHO, reason)
    last = next(data for _, _, kind, data in reversed(desk.events(row)) if kind == "limits")
    say(f"{row.id}: {one_line(event_text('limits', last))}")


def _running(batch: str | None, store: Any) -> tuple[compose.Desk, BatchRow]:  # noqa: ANN401 - a path
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch) if batch is not None else desk.running()
    if not desk.alive(row):
        message = f"{row.id} is not running: {state_text(desk.state(row), row.reason)}"
        hint = "" if row.state in compose.OVER else f"packmule resume {row.id} goes on with it"
        raise UsageError(message, hint=hint)
    return desk, row


def _ask(desk: compose.Desk, row: BatchRow, kind: str, data: dict[str, Any]) -> None:
    """File the wish and wait for the runner's answer."""
    answer = desk.ask(row, kind, data, WHO, ANSWER_S)
    if answer is None:
        message = f"the runner of {row.id} has not answered for {ANSWER_S:.0f} s"
        raise UsageError(message, hint="it does so as soon as it can; packmule status shows whether it lives")
    if answer.startswith(("refused", "too late")):
        message = f"{row.id}: {answer.removeprefix('refused: ')}"
        raise UsageError(message)

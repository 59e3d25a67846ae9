"""`resume`, `retry` and `unknown`: going on with a batch by its id."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.causes import BatchArgument, agree_to_round, say_nothing_chosen
from packmule.cli.completing import complete_batches, complete_models
from packmule.cli.detached import begin_detached, in_background
from packmule.cli.run import drive, end_over
from packmule.cli.say import hush, one_line, say, standing, tell, when
from packmule.config import limits_of, store_path
from packmule.core.batch import Round
from packmule.core.money import usd_exact, usd_short
from packmule.core.words import counted

WHO = "command line"


def resume(
    batch: Annotated[
        str | None,
        typer.Argument(
            help="Batch id, or a part of it (default: the newest unfinished one).", autocompletion=complete_batches
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Where the recipe is now.")] = None,
    max_cost: o.MaxCost = None,
    item_cap: o.ItemCap = None,
    on_budget: o.OnBudget = None,
    price_in: o.PriceIn = None,
    price_out: o.PriceOut = None,
    free: o.Free = False,
    concurrency: o.Concurrency = None,
    rpm: o.Rpm = None,
    tpm: o.Tpm = None,
    retry_count: o.RetryCount = None,
    retry_delay: o.RetryDelay = None,
    retry_backoff: o.RetryBackoff = None,
    retry_on: o.RetryOn = None,
    timeout: o.Timeout = None,
    outage_limit: o.OutageLimit = None,
    on_unknown: o.OnUnknown = None,
    checkpoint: o.CheckpointOption = None,
    detach: o.DetachOption = False,
    take_over: o.TakeOverOption = False,
    output: o.OutOption = None,
    store: o.StoreOption = None,
    progress: o.ProgressOption = "auto",
    as_json: o.JsonOption = False,
    sim_scenario: o.SimOption = None,
) -> None:
    """Go on with an unfinished batch, as it was ordered; limits given here replace the old ones."""
    if detach and in_background():
        detach, as_json, progress = False, False, "log"
    given = dict(locals())
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch, unfinished=True)
    hush(progress)
    if row.state in compose.OVER:
        end_over(desk, row, as_json=as_json)
    if detach:
        begin_detached(desk, as_json=as_json)
        return
    say(f"resuming {row.id}: {standing(row)}")
    again = compose.Again(limits_of(row.limits, given), recipe, output, sim_scenario, take_over)
    keeper = compose.Keeper(checkpoint) if checkpoint is not None else None
    drive(desk, compose.resume(desk, row, again, WHO), mode=progress, as_json=as_json, keeper=keeper)


def retry(
    batch: BatchArgument = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="A cause as `packmule errors` names it, a state, or an item; several with commas."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model for this round.", autocompletion=complete_models)
    ] = None,
    max_output_tokens: Annotated[
        int | None, typer.Option("--max-output-tokens", help="Tokens of one answer at most, in this round.")
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Where the recipe is now.")] = None,
    max_cost: o.MaxCost = None,
    item_cap: o.ItemCap = None,
    price_in: o.PriceIn = None,
    price_out: o.PriceOut = None,
    free: o.Free = False,
    concurrency: o.Concurrency = None,
    retry_count: o.RetryCount = None,
    retry_delay: o.RetryDelay = None,
    retry_backoff: o.RetryBackoff = None,
    retry_on: o.RetryOn = None,
    timeout: o.Timeout = None,
    on_unknown: o.OnUnknown = None,
    yes: o.YesOption = False,
    output: o.OutOption = None,
    store: o.StoreOption = None,
    progress: o.ProgressOption = "auto",
    sim_scenario: o.SimOption = None,
) -> None:
    """Open a new round: ask the failed, blocked and skipped items again; accepted answers are not paid twice."""
    given = dict(locals())
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    again = compose.Again(limits_of(row.limits, given), recipe, output, sim_scenario)
    stated = free or price_in is not None
    settings = Round(priced=stated, model=model, timeout_s=timeout, max_output_tokens=max_output_tokens)
    chosen = compose.choose(desk, row, only or ())
    if chosen.count == 0:
        say_nothing_chosen(desk, row, only)
        return
    quote = compose.quoted(desk, row, again, settings, chosen)
    if yes or quote.agreed:
        hush(progress)
    agree_to_round(chosen, quote, yes=yes)
    session, count = compose.retry(desk, row, again, WHO, settings, chosen)
    if count == 0:
        say_nothing_chosen(desk, desk.now(row), only)
        return
    say(f"round {session.row.round.number} of {row.id}: {counted(count, 'item')} to ask again")
    drive(desk, session, mode=progress)


def unknown(
    batch: BatchArgument = None,
    write_off: Annotated[bool, typer.Option("--write-off", help="Count every worst case as spent.")] = False,
    store: o.StoreOption = None,
) -> None:
    """List attempts whose outcome is unknown: each may have been billed, at most as said."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    attempts = desk.unknown(row)
    if row.held and desk.state(row) == "interrupted":
        held = f"at most {usd_short(row.held)} were on their way when the last run was killed"
        say(f"{held}; they count as unknown once the batch goes on: packmule resume {row.id}")
    if not attempts:
        say(f"{row.id} has no unknown attempts")
        return
    for attempt in attempts:
        call = f"call {attempt.number + 1}, attempt {attempt.nth + 1}"
        worst = f"at most {usd_exact(attempt.worst)}"
        reason = f"{attempt.fault}: {attempt.message}"
        cells = one_line(attempt.key), call, attempt.model, when(attempt.started_at), worst, one_line(reason)
        tell("\t".join(cells))
    say(f"{counted(len(attempts), 'attempt')}, at most {usd_short(row.unknown)} in all")
    if write_off:
        say(f"{usd_short(desk.write_off(row))} written off")
        if row.out_dir and Path(row.out_dir).is_dir():
            desk.write_results(desk.now(row), Path(row.out_dir))
            say(f"The results in {row.out_dir} say so too.")
    else:
        say(f"--write-off counts them as spent: packmule unknown {row.id} --write-off")

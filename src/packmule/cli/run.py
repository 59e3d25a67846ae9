"""`packmule run`: from a file of rows to one answer a row; the same command goes on where it stopped."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.before import agree, announce, say_dry
from packmule.cli.budget import bounded, spelling
from packmule.cli.completing import complete_models
from packmule.cli.detached import begin_detached, in_background
from packmule.cli.guard import Signalled
from packmule.cli.keeping import keeper_at, keeping, refuse_other, say_kept, usual_keeper
from packmule.cli.pilot import ASKED_TWICE, Pilot, check_detached, say_pilot
from packmule.cli.say import hush, one_line, say, say_error, say_last, standing, tell
from packmule.cli.settled import refuse_untyped_address, settled, shown, typed_cap, unspoken, without_settings
from packmule.cli.steer import Signals
from packmule.config import Order, limits_of, store_path
from packmule.core.batch import Limits, changes
from packmule.core.endings import EXIT_CODES, Ending, code_of
from packmule.core.money import usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import StoreFull, UsageError
from packmule.views.estimate import price_of_rest

if TYPE_CHECKING:
    from packmule.cli.display import Mode
    from packmule.cli.machine import Reporter
    from packmule.compose import Desk, Keeper, Outcome, Prepared, Session


def run(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="CSV, TSV, JSONL, JSON, TXT, MD, Parquet, a folder, or - for stdin.")
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="What to ask; {column} is the row's cell.")] = None,
    prompt_file: Annotated[Path | None, typer.Option("--prompt-file", help="The prompt, from a file.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="System prompt.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", help="JSON Schema file, or module:PydanticModel.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="module:function or file.py:function.")] = None,
    template: o.Template = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model, e.g. openai/gpt-5-mini; a second one takes over while the first is down.",
            autocompletion=complete_models,
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="Another address of the model's provider, or an OpenAI-compatible one."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Sampling temperature (the provider's own).")
    ] = None,
    max_output_tokens: Annotated[
        int | None, typer.Option("--max-output-tokens", help="Tokens of one answer at most (the model's own).")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="The id column (id).")] = None,
    where: Annotated[list[str] | None, typer.Option("--where", help="COL~REGEX: only these rows.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="COL~REGEX: not these rows.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first N items that pass.")] = None,
    max_cost: o.MaxCost = None,
    budget: o.Budget = None,
    stop_on_budget: o.StopOnBudget = False,
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
    retries_invalid: o.RetriesInvalid = None,
    timeout: o.Timeout = None,
    outage_limit: o.OutageLimit = None,
    on_unknown: o.OnUnknown = None,
    mode: o.ModeOption = None,
    items_per_job: o.ItemsPerJob = None,
    max_parallel_jobs: o.MaxParallelJobs = None,
    job_linger: o.JobLinger = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show prompt and estimate, and stop.")] = False,
    checkpoint: o.CheckpointOption = None,
    resume_from: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            is_eager=True,
            callback=without_settings,
            help="Go on from this checkpoint file; SOURCE may be left out.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on from a checkpoint whose input has changed, or that miscounts.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew even if there is an unfinished batch.")] = False,
    pilot: o.PilotOption = None,
    yes: o.YesOption = False,
    detach: o.DetachOption = False,
    as_json: o.JsonOption = False,
    take_over: o.TakeOverOption = False,
    output: o.OutOption = None,
    store: o.StoreOption = None,
    progress: o.ProgressOption = "auto",
    sim_scenario: o.SimOption = None,
) -> None:
    """Ask a model about every row of a file. The same command goes on where it stopped."""
    if detach and in_background():
        detach, yes, as_json, progress = False, True, False, "log"
    given, untyped = dict(locals()), settled(ctx)
    if budget is not None:
        given, untyped = typed_cap(given, untyped)
    given = bounded(given)
    order = Order(
        items=source,
        prompt=_prompt(None if prompt_file and "prompt" in untyped else prompt, prompt_file),
        system=system,
        schema=schema,
        models=tuple(model or ()),
        base_url=base_url,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        key=key,
        where=tuple(where or ()),
        skip=tuple(skip or ()),
        limit=limit,
        recipe=recipe,
        limits=limits_of(Limits(), given, spelling(given)),
        fresh=fresh,
        take_over=take_over,
        dry_run=dry_run,
        out_dir=output,
        sim_scenario=sim_scenario,
        pace=ctx.obj or 1.0,  # the demo types this command too, and may be in a hurry
        settled=untyped,
        unspoken=unspoken(untyped),
        command=shlex.join(["packmule", *sys.argv[1:]]),
        stdin=sys.stdin.buffer,
    )
    if resume_from is not None:
        from packmule.cli.resuming import go_on  # noqa: PLC0415 - it drives, as this does

        go_on(resume_from, order, given)
        return
    if force:
        message = "--force goes on from a checkpoint, and none is named"
        raise UsageError(message, hint="name it with --resume FILE; --fresh begins anew")
    if source is None:
        message = "no input is named"
        raise UsageError(message, hint="packmule run FILE --prompt ..., or packmule run --resume CHECKPOINT")
    keeper = keeper_at(checkpoint) if checkpoint is not None and not dry_run else None
    refuse_untyped_address(base_url, untyped)
    desk = compose.Desk(store_path(store, os.environ))
    refuse_other(keeper, desk)
    prepared = compose.prepare(order, desk.store, os.environ)
    if not dry_run and (yes or prepared.agreed or prepared.action == "finished"):
        hush(progress)
    if prepared.action == "finished" and not dry_run:
        _say_finished(desk, prepared, keeper, as_json=as_json)
    seen = announce(prepared)
    if dry_run:
        say_dry(desk, seen, prepared.existing, prepared.order.limits.max_cost, as_json=as_json)
        return
    if pilot is not None and not yes:
        check_detached(prepared.order.limits, detach=detach)
        say(ASKED_TWICE)
    agree(prepared, seen.items, yes=yes)
    if detach:
        if keeper is not None:
            # The child keeps it.
            keeper.close()
        begin_detached(desk, source, as_json=as_json)
        return
    session = compose.begin(prepared, desk.store, "command line")
    first = Pilot(pilot, yes) if pilot is not None else None
    drive(desk, session, mode=progress, as_json=as_json, pilot=first, keeper=keeper or usual_keeper(session))


def drive(
    desk: Desk,
    session: Session,
    *,
    mode: Mode,
    as_json: bool = False,
    pilot: Pilot | None = None,
    keeper: Keeper | None = None,
) -> None:
    """Run a session to its end, write the results, exit with its code."""
    hush(mode)
    if session.lost:
        say(f"{counted(session.lost, 'attempt')} on the way when the last run ended: counted as unknown")
    _say_edited(changed=session.recipe_changed)
    if session.replaces is not None:
        back = f"packmule export {session.replaces} -o FILE writes them again"
        say(f"Note: the results of {session.replaces} in {session.out_dir} will be replaced; {back}")
    say(f"{session.row.id}: {counted(session.row.total, 'item')}, {session.row.pending:,} to do")
    reporter = _reporter(desk, session) if as_json else None
    with keeping(keeper, desk, session), reporter or nullcontext():
        ending, number = _drive_all(desk, session, "none" if as_json else mode, pilot)
    if not ending.saved:
        session.close()
        message = "the last answers could not be saved: the store cannot be written"
        raise StoreFull(message, hint="make room on the disk, then type the same command")
    outcome = session.finish(ending)
    _say_end(outcome, desk)
    say_kept(keeper, outcome.row)
    code = EXIT_CODES["pilot"] if ending.reason == "pilot" else code_of(outcome.row)
    if as_json:
        from packmule.cli.machine import write_done  # noqa: PLC0415 - only with --json

        write_done(desk, outcome.row, outcome.out_dir, code if number is None else 128 + number)
    if number is not None:
        raise Signalled(number)
    raise typer.Exit(code)


def _reporter(desk: Desk, session: Session) -> Reporter:
    from packmule.cli.machine import Reporter  # noqa: PLC0415 - only with --json

    return Reporter(desk, session.row)


Driven = tuple[Ending, int | None]
"""How a run ended, and the signal that ended it."""


def _drive_all(desk: Desk, session: Session, mode: Mode, pilot: Pilot | None) -> Driven:
    """With a pilot, the rest only if somebody agrees to it; the lease is given back whatever happens there."""
    only = pilot.only(session) if pilot is not None else None
    if only:
        say_pilot(len(only), session.row.pending)
    driven = _drive_once(desk, session, mode, only) if only != [] else (Ending("stopped", "pilot"), None)
    if pilot is None or driven[0].reason != "pilot" or not driven[0].saved:
        return driven
    try:
        session.rest("pilot")
        goes_on = pilot.goes_on(desk, session.row)
    except BaseException:
        session.close()
        raise
    return _drive_once(desk, session, mode) if goes_on else driven


def _drive_once(desk: Desk, session: Session, mode: Mode, only: list[int] | None = None) -> Driven:
    """Until nothing is left to do; no other item than `only` begins."""
    from packmule.cli.display import Display  # noqa: PLC0415 - Rich's live picture is not for --help

    with Display(desk, session.row, mode, **shown()):
        signals = Signals(session)
        return _on_loop(session, signals, only), signals.number


def _on_loop(session: Session, signals: Signals, only: list[int] | None) -> Ending:
    import asyncio  # noqa: PLC0415 - a seventh of what --help takes

    try:
        with asyncio.Runner(loop_factory=compose.loop_factory()) as runner:
            return runner.run(session.drive(on_ready=signals.watch, only=only))
    finally:
        signals.release()


def _prompt(prompt: str | None, file: Path | None) -> str | None:
    if file is None:
        return prompt
    if prompt is not None:
        message = "--prompt and --prompt-file contradict each other"
        raise UsageError(message, hint="give one of them")
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"--prompt-file {file} cannot be read: {detail}"
        raise UsageError(message) from None


def _say_finished(desk: Desk, prepared: Prepared, keeper: Keeper | None, *, as_json: bool) -> None:
    row = prepared.existing
    assert row is not None
    if keeper is not None:
        keeper.of(desk, row)
    folder = compose.folder_of(row, prepared.order.out_dir)
    compose.check_folder(folder)
    desk.write_results(row, folder)
    say_last(f"{row.id} is finished: {standing(row)}. --fresh begins anew.")
    _say_edited(changed=compose.recipe_changed(row, prepared.recipe))
    if changes(row.limits, prepared.order.limits):
        say("Note: limits given now change nothing about a finished batch")
    say("Results:")
    tell(str(folder / "results.jsonl"))
    if row.failed or row.blocked:
        _say_retry(row)
    _leave(desk, row, folder, as_json=as_json)


def end_over(desk: Desk, row: BatchRow, *, as_json: bool) -> NoReturn:
    """Nothing is left to go on with: say so, and end as the batch did. Raises UsageError for a cancelled one."""
    if row.state == "cancelled":
        message = f"{row.id} is cancelled, so it does not go on: {standing(row)}"
        raise UsageError(message, hint=f"the same command begins another batch: {row.command}")
    say_last(f"{row.id} is {row.state}: {standing(row)}")
    if row.failed or row.blocked:
        _say_retry(row)
    _leave(desk, row, Path(row.out_dir) if row.out_dir else None, as_json=as_json)


def _leave(desk: Desk, row: BatchRow, folder: Path | None, *, as_json: bool) -> NoReturn:
    """With the code of a batch that was over before this command; for programs with its last record."""
    if as_json:
        from packmule.cli.machine import write_done  # noqa: PLC0415 - only with --json

        write_done(desk, row, folder, code_of(row))
    raise typer.Exit(code_of(row))


def _say_edited(*, changed: bool) -> None:
    if changed:
        say("Note: the recipe's file has changed since this batch began; --fresh begins anew")


def _say_retry(row: BatchRow) -> None:
    kinds = " and ".join(name for name in ("failed", "blocked") if getattr(row, name))
    more = " --item-cap MORE" if row.blocked else ""
    say(f"Why, grouped by cause: packmule errors {row.id}")
    say(f"Ask the {kinds} ones again: packmule retry {row.id}{more}")


def _say_end(outcome: Outcome, desk: Desk) -> None:
    row, ending = outcome.row, outcome.ending
    words = {"done": "finished", "person": "stopped"}.get(ending.reason, f"stopped ({ending.reason})")
    say_last(f"{row.id} {words}: {standing(row)}")
    if ending.detail and ending.reason != "person":
        say_error(ending.detail, "")
    if row.spec.models and all(compose.is_simulated(model, row.spec.base_url) for model in row.spec.models):
        say("All of it simulated: no money was really spent.")
    if ending.unused_calls:
        unused = counted(ending.unused_calls, "answer")
        say(f"{unused} of earlier runs not asked for again: the recipe asks something else now")
    _say_next(row, ending, desk.failures(row, 3))
    say("Results:")
    tell(str(outcome.out_dir / "results.jsonl"))


def _say_next(row: BatchRow, ending: Ending, failures: list[tuple[str, int]]) -> None:
    if row.held:
        say("Jobs go on at their provider; going on with this batch fetches what they bring, and pays nothing twice.")
    if row.pending:
        if (rest := price_of_rest(row)) is not None:
            say(f"{counted(row.pending, 'item')} left, about {usd_short(rest)} at the price of those done")
        more = " --max-cost MORE" if ending.reason == "budget" else ""
        higher = " and a higher --max-cost" if more else ""
        say(f"Go on with the same command{higher}, or: packmule resume {row.id}{more}")
    if row.failed or row.blocked:
        for reason, count in failures:
            say(f"  {count:,} x {one_line(reason)}")
        _say_retry(row)
    if row.unknown:
        say(f"{usd_short(row.unknown)} may have been billed for lost answers: packmule unknown {row.id}")

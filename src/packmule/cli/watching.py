"""`watch`, `wait`, `status`, `logs`: looking at a batch that runs elsewhere. Leaving them leaves the batch alone."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.say import hush, one_line, say, say_last, standing, state_text, tell, when
from packmule.cli.settled import shown
from packmule.cli.steering import BatchArgument
from packmule.config import store_path
from packmule.core.endings import code_of
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.views.events import event_name, event_text
from packmule.views.progress import Progress
from packmule.views.wording import block, money

TIMED_OUT = 124
LOOK_S = 0.2


def watch(batch: BatchArgument = None, progress: o.ProgressOption = "auto", store: o.StoreOption = None) -> None:
    """Show a batch that runs in another terminal; the same keys steer it. Ctrl+C leaves it running."""
    from packmule.cli.display import Display  # noqa: PLC0415 - Rich's live picture is not for --help

    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch) if batch is not None else desk.running()
    hush(progress)
    try:
        with Display(desk, row, progress, **shown()):
            desk.wait(row, None, LOOK_S)
    except KeyboardInterrupt:
        say(f"{row.id} goes on; watch it again with: packmule watch {row.id}")
        return
    row = desk.now(row)
    say_last(f"{row.id} {desk.state(row)}: {standing(row)}")
    raise typer.Exit(code_of(row))


def wait(
    batch: BatchArgument = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds to wait at most (no limit).")
    ] = None,
    store: o.StoreOption = None,
) -> None:
    """Wait until a batch has ended, and exit with its code; 124 when the time is over first."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch) if batch is not None else desk.running()
    if not desk.wait(row, timeout, LOOK_S):
        say(f"{row.id} is still running: {standing(desk.now(row))}")
        raise typer.Exit(TIMED_OUT)
    row = desk.now(row)
    say(f"{row.id} {desk.state(row)}: {standing(row)}")
    raise typer.Exit(code_of(row))


def status(batch: BatchArgument = None, as_json: o.JsonOption = False, store: o.StoreOption = None) -> None:
    """How a batch stands, in a few lines, and what to type next."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    progress = desk.progress(row)
    if as_json:
        from packmule.cli.machine import records  # noqa: PLC0415 - only with --json
        from packmule.views.records import progress_record, record  # noqa: PLC0415

        records().write(record("progress", progress.at, **progress_record(progress)))
        return
    tell(f"{row.id}  {state_text(progress.label, row.reason)}  {one_line(progress.name)}")
    tell("\n".join(f"  {line}" for line in block(progress).splitlines()))
    tell(f"  {' | '.join(money(progress))}")
    for line in _next(row, progress):
        tell(f"  {line}")


def logs(
    batch: BatchArgument = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the batch has ended.")] = False,
    store: o.StoreOption = None,
) -> None:
    """What happened to a batch, a line each: started, paused, limits changed, models that were down, its end."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    after = 0
    while True:
        over = desk.wait(row, 0, LOOK_S)
        for id_, at, kind, data in desk.events(row, after):
            after = id_
            tell(one_line(f"{when(at, seconds=True)}  {event_name(kind)}  {event_text(kind, data)}".rstrip()))
        if over or not follow:
            return
        desk.wait(row, 1.0, LOOK_S)


def _next(row: BatchRow, progress: Progress) -> list[str]:
    """What a person may want to type now."""
    if progress.label == "stopping":
        calls = counted(progress.in_flight, "call")
        return [f"packmule watch {row.id}", f"{calls} finish; drop them instead: packmule stop {row.id} --now"]
    if progress.running:
        other = "unpause" if row.state == "paused" else "pause"
        return [f"packmule watch {row.id}", f"packmule {other} {row.id}", f"packmule stop {row.id}"]
    lines = []
    if row.pending:
        more = " --max-cost MORE" if row.reason == "budget" else ""
        lines.append(f"{counted(row.pending, 'item')} still to do: packmule resume {row.id}{more}")
    if row.failed or row.blocked:
        lines.append(f"ask the failed ones again: packmule retry {row.id}")
    if row.unknown:
        lines.append(f"lost answers that may have been billed: packmule unknown {row.id}")
    return lines or [f"results: {row.out_dir}"]

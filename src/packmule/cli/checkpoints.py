"""`packmule batch`: batches and their checkpoint files side by side; a batch is named by its id or by its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.completing import complete_named
from packmule.cli.reading import add_row, print_table, show_row, table_of
from packmule.cli.say import say, state_text, tell
from packmule.cli.steering import cancel_row
from packmule.config import store_path
from packmule.core.money import usd, usd_short
from packmule.core.words import counted

if TYPE_CHECKING:
    from packmule.compose import Checkpoint, Desk, Listed
    from packmule.core.rows import BatchRow

batch = typer.Typer(help="Batches and their checkpoint files.", no_args_is_help=True, rich_markup_mode=None)
Named = Annotated[
    str, typer.Argument(help="Batch id, a part of it, or a checkpoint file.", autocompletion=complete_named)
]


@batch.command("list")
def list_(as_json: o.JsonOption = False, store: o.StoreOption = None) -> None:
    """All batches of the store and all checkpoint files that are known, damaged ones too."""
    from packmule.views.wording import duration  # noqa: PLC0415 - lazy, so that --help is quick

    path = store_path(store, os.environ)
    now_us, found = compose.listed(compose.Desk(path, create=False) if path.exists() else None)
    if as_json:
        _list_records(now_us, found)
        return
    if not found:
        say(f"there is no batch in {path} and no checkpoint here yet")
        return
    table = table_of("batch", "file", "status", "done", "cost", "age")
    table.columns[0].no_wrap = True
    for line in found:
        file = "" if line.file is None else _near(line.file)
        if line.trouble:
            add_row(table, line.id, file, f"{line.status}: {line.trouble}", "", "", "")
            continue
        done = f"{line.done:,}/{line.total:,}"
        add_row(table, line.id, file, line.status, done, usd_short(line.cost), duration(line.age_s))
    print_table(table)


def _list_records(now_us: int, found: list[Listed]) -> None:
    from packmule.cli.machine import records  # noqa: PLC0415 - only with --json
    from packmule.views.records import time_text  # noqa: PLC0415

    items = [
        {
            "batch_id": None if line.trouble else line.id,
            "file": None if line.file is None else str(line.file),
            "status": line.status,
            "done": None if line.trouble else line.done,
            "total": None if line.trouble else line.total,
            "cost_usd": None if line.trouble else usd(line.cost),
            "age_s": None if line.trouble else line.age_s,
            "trouble": line.trouble or None,
        }
        for line in found
    ]
    records().write({"v": 1, "as_of": time_text(now_us), "items": items, "next": None, "truncated": False})


@batch.command("show")
def show(name: Named, store: o.StoreOption = None) -> None:
    """One batch, by its id or its checkpoint file."""
    found, checkpoint = _named(name, store)
    if found is not None:
        show_row(*found)
        return
    assert checkpoint is not None
    facts, counts = checkpoint.packmule, checkpoint.progress
    tell(f"{checkpoint.batch_id}  {state_text(facts.status, facts.reason)}  (of its checkpoint)")
    tell(f"  {counts.completed:,} of {counts.total:,} done, {counts.failed:,} failed, {counts.pending:,} to do")
    tell(f"  money    {usd_short(int(facts.settled_pico))} spent, {usd_short(int(facts.unknown_pico))} unknown")
    tell(f"  source   {facts.source_path or facts.source.name}")
    tell(f"  store    {facts.store} (not there, or without this batch)")
    tell(f"  saved    {facts.saved_at}")
    tell(f"  go on    packmule run --resume {name}")


@batch.command("cancel")
def cancel(name: Named, store: o.StoreOption = None) -> None:
    """End a batch for good, by its id or its checkpoint file. What is done and paid stays."""
    found, checkpoint = _named(name, store)
    if found is not None:
        desk, row = found
        running = cancel_row(desk, row)
        if checkpoint is not None and not running:
            keeper = compose.Keeper(Path(name), resume=True)
            keeper.of(desk, desk.now(row))
            keeper.close()
        return
    assert checkpoint is not None
    compose.cancel_file(Path(name))
    say(f"{checkpoint.batch_id} is cancelled: {counted(checkpoint.progress.pending, 'item')} will not be done")


def _named(name: str, store: Path | None) -> tuple[tuple[Desk, BatchRow] | None, Checkpoint | None]:
    """The batch in its store, if there is one, and the checkpoint, if a file was named."""
    if os.path.isfile(name) or Path(name).suffix == ".json":  # noqa: PTH113 - it never raises
        checkpoint = compose.read_checkpoint(Path(name), force=True)
        return compose.find_batch(checkpoint, store, os.environ), checkpoint
    desk = compose.Desk(store_path(store, os.environ), create=False)
    return (desk, desk.find(name)), None


def _near(path: Path) -> str:
    """Relative where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)

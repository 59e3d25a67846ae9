"""`list`, `show`, `export`, `prices`: looking at what there is. These only read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.causes import BatchArgument
from packmule.cli.say import one_line, say, standing, state_text, tell, when
from packmule.config import store_path
from packmule.core.batch import cap_words
from packmule.core.money import usd, usd_exact, usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import UsageError
from packmule.views.events import event_name, event_text

if TYPE_CHECKING:
    from rich.table import Table

EVENTS_SHOWN = 12
LISTED = 1000


def list_(as_json: o.JsonOption = False, store: o.StoreOption = None) -> None:
    """All batches of the store, newest first."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    rows = desk.newest(LISTED)
    if as_json:
        _list_records(desk, rows)
        return
    if not rows:
        say(f"there is no batch in {desk.path} yet")
        return
    table = table_of("batch", "state", "done", "failed", "spent", "model", "source", "created")
    table.columns[0].no_wrap = True
    for row in rows:
        state = state_text(desk.state(row), row.reason)
        failed = f"{row.failed + row.blocked:,}"
        models = ", ".join(row.spec.models) or row.spec.recipe
        done = f"{row.completed:,}/{row.total:,}"
        name = Path(row.source.name).name
        add_row(table, row.id, state, done, failed, usd_short(row.settled), models, name, when(row.created_at))
    print_table(table)


def _list_records(desk: compose.Desk, rows: list[BatchRow]) -> None:
    from packmule.cli.machine import records  # noqa: PLC0415 - only with --json
    from packmule.views.records import progress_record, time_text  # noqa: PLC0415

    items = [progress_record(desk.progress(row)) for row in rows]
    more = len(rows) == LISTED
    records().write({"v": 1, "as_of": time_text(desk.utc_us()), "items": items, "next": None, "truncated": more})


def show(batch: BatchArgument = None, store: o.StoreOption = None) -> None:
    """One batch: how it stands, what it cost, why items failed, what happened."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    show_row(desk, desk.find(batch))


def show_row(desk: compose.Desk, row: BatchRow) -> None:
    """The lines of `show`."""
    tell(f"{row.id}  {state_text(desk.state(row), row.reason)}")
    tell(f"  {standing(row)}")
    tell(f"  source   {one_line(row.source.name)}")
    tell(f"  model    {', '.join(row.spec.models) or '(chosen by the recipe)'}")
    money = ", ".join(f"{usd_exact(getattr(row, name))} {name}" for name in ("settled", "unknown", "held"))
    tell(f"  money    {money}; {cap_words(row.limits)}")
    tell(f"  tokens   {row.tokens_in:,} in, {row.tokens_out:,} out, {counted(row.attempts, 'attempt')}")
    tell(f"  results  {row.out_dir or '(none yet)'}")
    tell(f"  command  {row.command}")
    for warning in row.ingest_notes.get("warnings", ()):
        tell(f"  note     {warning}")
    for reason, count in desk.failures(row):
        tell(f"  failed   {count:,} x {one_line(reason)}")
    for _, at, kind, data in desk.events(row)[-EVENTS_SHOWN:]:
        tell(one_line(f"  {when(at)}  {event_name(kind)}  {event_text(kind, data)}".rstrip()))


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="results.jsonl, .csv or .parquet")],
    batch: BatchArgument = None,
    store: o.StoreOption = None,
) -> None:
    """Write one batch's results to a file."""
    desk = compose.Desk(store_path(store, os.environ), create=False)
    row = desk.find(batch)
    count = desk.export(row, output)
    say(f"{counted(count, 'record')} of {row.id}")
    tell(str(output))


def prices(model: Annotated[str, typer.Argument(help="A model, or the beginning of its name.")] = "") -> None:
    """Prices per million tokens, with their source and day."""
    known = compose.known_prices(model)
    if not known:
        message = f"no known model begins with {model!r}"
        raise UsageError(message, hint="packmule prices lists all; state a price with --price-in and --price-out")
    table = table_of("model", "in $/M", "out $/M", "source", "day")
    for name, into, out, source, day in known:
        add_row(table, name, usd(into), usd(out), source, day)
    print_table(table)


def table_of(*columns: str) -> Table:
    """A plain table; amounts to the right."""
    from rich.table import Table  # noqa: PLC0415 - lazy, so that --help is quick

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if "$" in column else "left")
    return table


def add_row(table: Table, *cells: str) -> None:
    """One line, whatever a cell holds; brackets in it are no markup."""
    from rich.text import Text  # noqa: PLC0415 - lazy, so that --help is quick

    table.add_row(*(Text(one_line(cell)) for cell in cells))


def print_table(table: Table) -> None:
    """On standard output, as wide as it is."""
    from rich.console import Console  # noqa: PLC0415 - lazy, so that --help is quick

    console = Console()
    width = console.width if console.is_terminal else 200
    Console(width=width).print(table)

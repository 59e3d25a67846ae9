"""The commands, and where each is."""

from __future__ import annotations

from typing import Annotated

import typer

from packmule import __version__
from packmule.cli import causes, doctor, going_on, reading, steering, watching
from packmule.cli import run as running
from packmule.cli.checkpoints import batch
from packmule.cli.configuring import config, init
from packmule.cli.demo.command import demo
from packmule.cli.extracting import extract
from packmule.cli.settled import settle
from packmule.cli.simulate import sim
from packmule.cli.templating import template

EPILOG = (
    "Exit codes: 0 done; 1 a mistake of packmule; 2 usage or consent; 3 some items failed; 4 stopped by the budget; "
    "5 stopped by a person; 6 nothing could start and nothing was spent; 75 provider or disk trouble, go on later; "
    "130 and 143 interrupted."
)

app = typer.Typer(
    name="packmule",
    help="Carry large batches of LLM calls over your own data: durable, bounded, visible.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"packmule {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Carry large batches of LLM calls over your own data."""
    del version  # its callback has seen to it
    settle(ctx)


app.command("run")(running.run)
app.command("extract")(extract)
app.command("resume")(going_on.resume)
app.command("retry")(going_on.retry)
app.command("errors")(causes.errors)
app.command("unknown")(going_on.unknown)
app.command("pause")(steering.pause)
app.command("unpause")(steering.unpause)
app.command("stop")(steering.stop)
app.command("cancel")(steering.cancel)
app.command("set")(steering.set_)
app.command("watch")(watching.watch)
app.command("wait")(watching.wait)
app.command("status")(watching.status)
app.command("logs")(watching.logs)
app.command("list")(reading.list_)
app.command("show")(reading.show)
app.command("export")(reading.export)
app.command("prices")(reading.prices)
app.add_typer(batch, name="batch")
app.command("demo")(demo)
app.command("init")(init)
app.command("doctor")(doctor.doctor)
app.add_typer(config, name="config")
app.add_typer(template, name="template")
app.add_typer(sim, name="sim")

"""`packmule demo`: a folder of its own with the shipped data, and one of the two demonstrations in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from packmule.cli import options as o
from packmule.cli.demo.sweeper import Sweeper
from packmule.cli.say import say

DATA = Path(__file__).parent
SHIPPED = ("tickets.csv", "ask.md", "ticket.schema.json", "scenario.toml", "steady.toml")


def demo(
    crash: Annotated[
        bool, typer.Option("--crash", help="Kill the command in the middle, go on, and compare with the bill.")
    ] = False,
    pace: Annotated[
        float, typer.Option("--pace", min=0.01, max=10, help="How long a second lasts; 0.1 is ten times as fast.")
    ] = 1.0,
    progress: o.ProgressOption = "auto",
) -> None:
    """Show what packmule does on a provider's bad day, in a minute: no key, no network, no cost."""
    from packmule.cli.demo import crashing, showing  # noqa: PLC0415 - not for --help

    with own_folder() as sweeper:
        code = crashing.crash(sweeper, pace, progress) if crash else showing.show(sweeper.folder, pace, progress)
    raise typer.Exit(code)


@contextmanager
def own_folder() -> Iterator[Sweeper]:
    """A temporary folder with the shipped data, as the current one; it is gone afterwards, whatever ends us."""
    for name in [name for name in os.environ if name.startswith("PACKMULE_")]:
        # A store or an address of the user's own has no place here.
        del os.environ[name]
    sweeper = Sweeper(Path(tempfile.mkdtemp(prefix="packmule-demo-")).resolve())
    try:
        for shipped in SHIPPED:
            (sweeper.folder / shipped).write_bytes((DATA / shipped).read_bytes())
        with chdir(sweeper.folder):
            yield sweeper
    finally:
        sweeper.end()
        say("# The demo's folder is removed: the batch that its commands name, and the results, are gone with it.")

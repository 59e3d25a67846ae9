"""`template save`: what a batch asked, kept in a file for `run --template`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from packmule import compose
from packmule.cli import options as o
from packmule.cli.completing import complete_batches
from packmule.cli.say import say, tell
from packmule.config import store_path
from packmule.errors import OutputError

template = typer.Typer(help="What a batch asks, without its data.", no_args_is_help=True)


@template.callback()
def _group() -> None:
    """What a batch asks, without its data."""


@template.command("save")
def save(
    batch: Annotated[str, typer.Argument(help="Batch id, or a part of it.", autocompletion=complete_batches)],
    file: Annotated[Path, typer.Argument(help="The YAML file to write; it must not exist.")],
    store: o.StoreOption = None,
) -> None:
    """Write prompt, model, schema, filters and limits of a batch to a file: no key, no row, no place of data."""
    from packmule.compose.templates import template_of  # noqa: PLC0415 - not for --help

    row = compose.Desk(store_path(store, os.environ), create=False).find(batch)
    text = f"# What {row.id} asked. Use it with: packmule run --template {file.name} ROWS\n{template_of(row)}"
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        message = f"{file} exists already"
        raise OutputError(message, hint="name another file, or move that one away") from None
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise OutputError(message) from None
    say(f"packmule run --template {file} ROWS asks the same of other rows")
    tell(str(file))

"""`config` and `init`: settings shown with their sources, changed, begun. No key is ever shown."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from packmule.cli.say import say, tell
from packmule.compose.setting_files import DOTENV, PROJECT, project_file, read_settings, user_file
from packmule.compose.settings import TABLE, shown_variable
from packmule.errors import OutputError, masked

config = typer.Typer(help="Settings: what they are, where they come from.", no_args_is_help=True)
STARTER = (PROJECT, "example.csv")


@config.callback()
def _group() -> None:
    """Settings: what they are, where they come from."""


@config.command("show")
def show(origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False) -> None:
    """All settings as they hold here, a line each."""
    settings = read_settings(os.environ)
    for setting in TABLE:
        found = settings.found.get(setting.name)
        value = setting.default if found is None else found.value
        source = "default" if found is None else found.origin
        tell(_line(setting.paths[0], masked(_text(value)), source if origin else ""))
    for name, variable in sorted(settings.variables.items()):
        tell(_line(name, shown_variable(name, variable), variable.origin if origin else ""))


@config.command("path")
def path() -> None:
    """The files that settings are read from here; a flag or PACKMULE_* goes before them."""
    project = project_file()
    for name, place in (("dotenv", DOTENV), ("project", project or Path(PROJECT)), ("user", user_file(os.environ))):
        tell(f"{name:8} {place}{'' if place.is_file() else '  (not there)'}")


@config.command("set")
def set_(
    key: Annotated[str, typer.Argument(help="A key, like defaults.max_cost or batch.retry.max_attempts.")],
    value: Annotated[str, typer.Argument(help="Its value; lists with commas.")],
) -> None:
    """Write one setting into the project's file (the nearest packmule.yaml); its comments stay."""
    from packmule.compose.setting_edit import set_key  # noqa: PLC0415 - only when one is written

    place = project_file() or Path(PROJECT)
    where, written = set_key(place, key, value)
    say(f"{place}: {where} is {masked(written)}")


def init() -> None:
    """Write a packmule.yaml that explains itself, and a small example.csv, into this folder."""
    for name in STARTER:
        if Path(name).exists():
            message = f"{name} exists already; nothing was written"
            raise OutputError(message, hint="init never overwrites: move it away, or begin in another folder")
    for name in STARTER:
        text = (files("packmule.compose") / "starter" / name).read_text(encoding="utf-8")
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            message = f"{name} cannot be written: {error.strerror}"
            raise OutputError(message) from None
        tell(name)
    say("Try it, simulated and free: packmule run example.csv --prompt 'Summarise in one line: {text}'")


def _line(key: str, value: str, source: str) -> str:
    return f"{key:34} {value}{f'  ({source})' if source else ''}"


def _text(value: object) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

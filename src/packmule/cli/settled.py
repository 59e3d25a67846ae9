"""Settings on their way to the commands: they become the defaults of options, so that a flag always wins.

What a command without a flag does is thereby decided in one place; `--help` and `config` read nothing.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from packmule.cli.say import say, say_error
from packmule.compose.setting_files import read_settings, user_file
from packmule.compose.settings import Settings, shown_variable
from packmule.compose.templates import read_template
from packmule.config import CONSENT
from packmule.errors import UsageError

UNSETTLED = ("config", "doctor", "init")
"""Commands that look at the settings themselves, also at broken ones."""
BEGINNING = ("run", "extract", "estimate")
STEERING = ("pause", "unpause", "stop", "cancel", "set")
SENDING = ("run", "extract", "resume", "retry")
_current: ContextVar[Settings] = ContextVar("settings", default=Settings())  # noqa: B039 - frozen


def settle(ctx: typer.Context) -> None:
    """Read the settings and put them below the options of the command that follows. Raises UsageError."""
    if ctx.invoked_subcommand in UNSETTLED or "--help" in sys.argv:
        return
    try:
        settings = read_settings(os.environ)
    except UsageError as error:
        if ctx.invoked_subcommand not in STEERING:
            raise
        # A slip in a file must not keep anybody from stopping what spends money.
        say_error(f"{error.message}; all settings are left aside", error.hint)
        settings = Settings()
    _current.set(settings)
    own = str(user_file(os.environ))
    if ctx.invoked_subcommand in SENDING and any(name.endswith("_BASE_URL") for name in settings.variables):
        from packmule.compose.trust import refuse_far_settings  # noqa: PLC0415 - knows the providers

        refuse_far_settings(settings, own, os.environ)
    use_variables(settings)
    for variable, found in settings.variables.items():
        # Whoever wrote a file of the project says where keys go: its user should see it.
        if variable.endswith("_BASE_URL") and not found.origin.startswith(own) and ctx.invoked_subcommand in SENDING:
            say(f"Note: {variable} is {shown_variable(variable, found)} ({found.origin})")
    shared = settings.options(beginning=False)
    commands = getattr(ctx.command, "commands", {})
    defaults: dict[str, Any] = {name: dict(shared) for name in commands}
    for name, command in commands.items():
        defaults[name] |= {inner: dict(shared) for inner in getattr(command, "commands", {})}
    defaults |= {name: settings.options(beginning=True) for name in BEGINNING if name in commands}
    ctx.default_map = defaults


def use_variables(settings: Settings) -> None:
    """Keys and addresses that files name count as if they stood in the environment."""
    for variable, found in settings.variables.items():
        os.environ[variable] = found.value


def current() -> Settings:
    """The settings of this command."""
    return _current.get()


def shown() -> dict[str, Any]:
    """How the display is set: seconds between pictures, and whether it has a cost column."""
    settings = current()
    return {"refresh_s": settings.value("refresh_rate"), "costs": settings.value("track_per_persona")}


def settled(ctx: typer.Context) -> frozenset[str]:
    """Names of options whose value nobody typed: it comes from the settings or a template."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return frozenset(name for name, source in sources.items() if source is not None and source.name == "DEFAULT_MAP")


def unspoken(untyped: frozenset[str]) -> frozenset[str]:
    """Of what nobody typed: words of consent that are not the person's own either."""
    if not untyped & CONSENT:
        return frozenset()
    from packmule.compose.trust import own_word  # noqa: PLC0415 - knows the providers

    found = current().found
    return frozenset(n for n in untyped & CONSENT if n not in found or not own_word(found[n].origin, os.environ))


def refuse_untyped_address(base_url: str | None, untyped: frozenset[str]) -> None:
    """An address on the open net must be the person's own word."""
    if base_url is not None and "base_url" in untyped:
        from packmule.compose.trust import refuse_far  # noqa: PLC0415 - knows the providers

        refuse_far(base_url, "the template")


def use_template(ctx: typer.Context, path: Path | None) -> Path | None:
    """Put a template over the settings; called before the other options are read."""
    if path is not None:
        values = read_template(path)
        ctx.default_map = {**(ctx.default_map or {}), **values}
        settings = current()
        _current.set(replace(settings, found={n: at for n, at in settings.found.items() if n not in values}))
    return path


def without_settings(ctx: typer.Context, path: Path | None) -> Path | None:
    """A batch that goes on from a checkpoint keeps what it was ordered with; called before other options are read."""
    if path is not None:
        ctx.default_map = current().options(beginning=False)
    return path


def typed_cap(given: dict[str, Any], untyped: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """A budget that was typed goes before a cap of the settings, and counts as typed."""
    caps = {"max_cost", "on_budget"}
    return {**given, **dict.fromkeys(untyped & caps)}, untyped - caps

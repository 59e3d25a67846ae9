"""Whose word counts for where a key goes and for what may be spent: the person's own, never that of a project's file.

A flag, the environment and the user's own settings are the person. A project's file, a `.env`, a template and a
checkpoint may have been written by anybody: an address on the open net that only they name gets no key of the person's,
and a cap or a price that only they name holds, but is no consent (`own_word`).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from packmule.compose.setting_files import ENVIRONMENT, user_file
from packmule.compose.settings import Settings
from packmule.errors import UsageError
from packmule.providers.keys import is_near
from packmule.providers.registry import PROVIDERS


def own_word(origin: str, env: Mapping[str, str]) -> bool:
    """Is what was found there the person's own word?"""
    return origin.startswith((f"{ENVIRONMENT} ", f"{user_file(env)} "))


def refuse_far(url: str | None, where: str) -> None:
    """Raise UsageError for an address on the open net that only `where` names."""
    if url is None or is_near(url):
        return
    message = f"{where} sends the prompts and the key to {_host(url)}, and you have not named that address yourself"
    raise UsageError(message, hint=f"if it is right, type --base-url {url.partition('?')[0]}")


def refuse_far_settings(settings: Settings, own_file: str, env: Mapping[str, str]) -> None:
    """Raise UsageError where a project's file names a far address, and the key is the person's own."""
    for provider in PROVIDERS.values():
        for variable in provider.urls:
            found = settings.variables.get(variable)
            if found is None or found.origin.startswith(own_file) or is_near(found.value):
                continue
            own_key = any(env.get(name) and name not in settings.variables for name in provider.keys)
            if own_key:
                message = f"{found.origin} sends your key to {_host(found.value)}"
                hint = f"if that is right, set {variable} in your environment or in {own_file}"
                raise UsageError(message, hint=hint)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "another address"
    except ValueError:
        return "another address"

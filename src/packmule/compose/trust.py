"""Whose word counts for where a key goes and what may be spent: the person's own, never that of a file that came along.

A flag, the environment and the user's own settings are the person. A project's file, a `.env`, a template and a
checkpoint may have been written by anybody: an address on the open net that only they name gets no key of the person's,
a cap or a price that only they name holds, but is no consent (`own_word`), and a price that only a checkpoint states
is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from packmule.compose.parts import is_simulated
from packmule.compose.setting_files import ENVIRONMENT, user_file
from packmule.compose.settings import Settings
from packmule.config import PER_MILLION_TOKENS
from packmule.core.batch import Limits
from packmule.core.money import usd
from packmule.errors import UsageError
from packmule.exports.checkpoint import Checkpoint
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


def refuse_said_price(checkpoint: Checkpoint, typed: Limits, path: Path) -> None:
    """Raise UsageError where only the checkpoint says what its models cost, or that they are free."""
    said, spec = checkpoint.packmule.limits, checkpoint.packmule.spec
    if typed.free or typed.price_in is not None or all(is_simulated(model, spec.base_url) for model in spec.models):
        return
    if said.free:
        message = f"{path} says that {spec.models[0]} is free, and you have not said so yourself"
        raise UsageError(message, hint="if it is right, type --free")
    if said.price_in is not None and said.price_out is not None:
        into, out = (usd(pico * PER_MILLION_TOKENS) for pico in (said.price_in, said.price_out))
        message = f"{path} states a price for {spec.models[0]} that you have not stated yourself"
        raise UsageError(message, hint=f"if it is right, type --price-in {into} --price-out {out}")


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

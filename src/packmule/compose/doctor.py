"""What could keep a batch from running, looked at before one begins: each check is one finding, and none sends.

A check that fails itself is a problem found, never a traceback. Keys are named, never shown.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from packmule.compose.desk import known_prices
from packmule.compose.parts import Parts, is_simulated, open_store
from packmule.compose.settings import Settings
from packmule.core.batch import Limits
from packmule.errors import PackmuleError
from packmule.providers.keys import checked_url, find_key
from packmule.providers.registry import PROVIDERS, Provider
from packmule.store.sqlite import sqlite_version

State = Literal["ok", "warning", "problem"]
SQLITE_LEAST = (3, 51, 3)
"""Before it, two connections could lose a commit of the write-ahead log."""
DISK_PROBLEM, DISK_WARNING = 64 << 20, 1 << 30
CONNECT_S = 2.0
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what to do where something is to be done."""

    check: str
    state: State
    text: str
    todo: str = ""


def examine(settings: Settings, store: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    """All checks, one after the other, as they end."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", _python),
        ("sqlite", _sqlite),
        ("keys", lambda: _keys(env)),
        ("endpoint", lambda: _endpoints(env)),
        ("model", lambda: _models(settings, env)),
        ("prices", _prices),
        ("store", lambda: _store(store)),
        ("disk", lambda: _disk(store)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except PackmuleError as error:
            yield Finding(name, "problem", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a check that fails is a finding
            yield Finding(name, "problem", f"the check itself failed: {type(error).__name__}: {error}")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if good else "problem", version, "" if good else "install Python 3.11 or newer")


def _sqlite() -> Iterator[Finding]:
    version = sqlite_version()
    good = tuple(int(part) for part in version.split(".")) >= SQLITE_LEAST
    todo = "" if good else "pip install -U apsw: older ones can lose what was committed"
    yield Finding("sqlite", "ok" if good else "problem", version, todo)


def _keys(env: Mapping[str, str]) -> Iterator[Finding]:
    having = []
    for name, provider in PROVIDERS.items():
        try:
            if find_key(provider.keys, env) is not None:
                having.append(name)
        except PackmuleError as error:
            yield Finding("keys", "problem", f"{name}: {error.message}", error.hint)
    if having:
        yield Finding("keys", "ok", f"set for {', '.join(having)}")
    else:
        yield Finding("keys", "warning", "no provider has one", "export OPENAI_API_KEY=... (sim/ models need none)")


def _endpoints(env: Mapping[str, str]) -> Iterator[Finding]:
    """Addresses that somebody named, and those on this machine: is anybody there?"""
    for name, provider in PROVIDERS.items():
        variable = next((one for one in provider.urls if env.get(one, "").strip()), None)
        try:
            url = provider.base_url if variable is None else checked_url(env[variable], variable)
        except PackmuleError as error:
            yield Finding("endpoint", "problem", f"{name}: {error.message}", error.hint)
            continue
        if urlsplit(url).scheme == "http" and urlsplit(url).hostname in LOCAL:
            yield _local(name, provider, url, named=variable is not None)
        elif variable is not None:
            yield Finding("endpoint", "ok", f"{name} at {url} ({variable}); not asked")


def _local(name: str, provider: Provider, url: str, *, named: bool) -> Finding:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), CONNECT_S):
            return Finding("endpoint", "ok", f"{name} answers at {url}")
    except OSError as error:
        text = f"{name} does not answer at {url} ({error.strerror or 'no answer in time'})"
        if named:
            return Finding("endpoint", "problem", text, f"start the server, or unset {provider.urls[0]}")
        return Finding("endpoint", "ok", f"{text}; that matters only to {name}/ models")


def _models(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    named = settings.value("model") or []
    for model in [named] if isinstance(named, str) else named:
        parts = Parts(Limits(), env)
        endpoint = parts.endpoint(parts.canonical(model))
        kind = "simulated" if is_simulated(endpoint.model) else "its key and price are there"
        yield Finding("model", "ok", f"{endpoint.model}: {kind}")


def _prices() -> Iterator[Finding]:
    known = known_prices("")
    day = max((day for *_, day in known), default="")
    yield Finding("prices", "ok", f"{len(known):,} models, as of {day or 'an unknown day'}, no network used")


def _store(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("store", "ok", f"none yet at {path}; the first batch makes it")
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("store", "warning", f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    store = open_store(path, create=False)
    if damage := store.damage():
        todo = "copy the file away, then restore a backup or name another store"
        yield Finding("store", "problem", f"{path} is damaged: {damage[0]}", todo)
    else:
        yield Finding("store", "ok", f"{path} is whole")


def _disk(path: Path) -> Iterator[Finding]:
    folder = next(place for place in path.absolute().parents if place.is_dir())
    free = shutil.disk_usage(folder).free
    state: State = "problem" if free < DISK_PROBLEM else "warning" if free < DISK_WARNING else "ok"
    yield Finding(
        "disk", state, f"{free / 2**30:.1f} GiB free", "" if state == "ok" else "make room before a big batch"
    )

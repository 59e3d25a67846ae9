"""Where settings are read: the environment, `.env`, the project's file, the user's file. YAML is read as data only.

A project file or `.env` that belongs to somebody else is refused: it could send keys to another address. Of `.env`
only PACKMULE_* and the variables of providers are used; the environment's own words win.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packmule.compose.settings import (
    BY_NAME,
    BY_PATH,
    PLACES,
    PREFIX,
    PROVIDERS,
    Found,
    Settings,
    checked,
    split,
)
from packmule.core.nearest import nearest, suggestion
from packmule.errors import UsageError

PROJECT = "packmule.yaml"
NAMES = (PROJECT, "persona.yaml")
DOTENV = Path(".env")
ENVIRONMENT = "environment"
_PROVIDER_ENDS = ("_API_KEY", "_API_KEY_FILE", "_BASE_URL")
_SECTIONS = {path.rpartition(".")[0] for path in BY_PATH}
SECTIONS = _SECTIONS | {section.rpartition(".")[0] for section in _SECTIONS} - {""} | {PROVIDERS}


def read_settings(env: Mapping[str, str], folder: Path = Path()) -> Settings:
    """All settings around a command in `folder`. Raises UsageError with file and key."""
    sources = [_from_variables(env, ENVIRONMENT)]
    dotenv = _dotenv(folder / DOTENV)
    sources.append(_from_variables(dotenv, str(DOTENV)))
    variables = {
        name: Found(value, str(DOTENV))
        for name, value in dotenv.items()
        if name.endswith(_PROVIDER_ENDS) and not env.get(name, "").strip()
    }
    files = [path for path in (project_file(folder), user_file(env)) if path is not None and _is_file(path)]
    for path in files:
        found, addresses = _from_file(path)
        sources.append(found)
        variables = {**{name: at for name, at in addresses.items() if not env.get(name, "").strip()}, **variables}
    merged = {name: found for source in reversed(sources) for name, found in source.items()}
    return Settings(merged, variables, tuple(files))


def project_file(folder: Path = Path()) -> Path | None:
    """The nearest packmule.yaml (or persona.yaml, where there is none) here or above; None: there is none."""
    for place in (folder, *folder.absolute().parents):
        for name in NAMES:
            if _is_file(place / name):
                _require_ours(place / name)
                return place / name
    return None


def user_file(env: Mapping[str, str]) -> Path:
    """The user's own file, whether it exists or not."""
    home = env.get("XDG_CONFIG_HOME", "")
    base = Path(home) if home.startswith("/") else Path(env.get("HOME") or Path.home()) / ".config"
    return base / "packmule" / "config.yaml"


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises UsageError with line and column."""
    from packmule.compose.plain_yaml import parse_yaml  # noqa: PLC0415 - only where there is a file

    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A file's text. Raises UsageError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UsageError(message) from None
    except UnicodeDecodeError:
        message = f"{path} is not UTF-8 text"
        raise UsageError(message) from None


def refuse_unknown(key: str, known: list[str], where: str, prefix: str = "") -> None:
    """Raise UsageError for a key that is not known, with the nearest that is."""
    if key not in known:
        message = f"{where}: {prefix}{key} is not known{suggestion(key, known)}"
        raise UsageError(message, hint="" if nearest(key, known) else f"known here: {', '.join(sorted(known))}")


def check_address(key: str, value: object, where: str) -> tuple[str, str]:
    """(variable, base URL) of a key below `providers`. Raises UsageError."""
    from packmule.providers.keys import checked_url  # noqa: PLC0415 - only where there are addresses
    from packmule.providers.registry import PROVIDERS as TABLE  # noqa: PLC0415

    name = key.partition(".")[2]
    refuse_unknown(name, [one for one, row in TABLE.items() if row.urls], where.partition(": ")[0], f"{PROVIDERS}.")
    if not isinstance(value, str):
        message = f"{where}: an address is text, like https://host/v1"
        raise UsageError(message)
    return TABLE[name].urls[0], checked_url(value, where)


def _from_variables(env: Mapping[str, str], origin: str) -> dict[str, Found]:
    found = {}
    for variable, text in env.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not text.strip():
            continue
        setting = BY_NAME.get(name)
        if setting is not None:
            where = variable if origin == ENVIRONMENT else f"{origin}: {variable}"
            found[name] = Found(checked(setting, split(setting, text), where, lax=True), f"{origin} {variable}")
        elif near := nearest(name, list(BY_NAME)):
            # Other names may belong to other programs; one letter beside ours is a slip.
            message = f"{origin}: {variable} is not known; did you mean {PREFIX}{near.upper()}?"
            raise UsageError(message)
    return found


def _dotenv(path: Path) -> dict[str, str]:
    if not _is_file(path):
        return {}
    _require_ours(path)
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a file

    try:
        values = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8 text'}"
        raise UsageError(message) from None
    return {name: value for name, value in values.items() if value}


def _from_file(path: Path) -> tuple[dict[str, Found], dict[str, Found]]:
    data = read_yaml(path)
    if path.name != PROJECT and path.name in NAMES:
        # The other sections of that file belong to another program.
        data = {key: value for key, value in data.items() if key in SECTIONS}
    found: dict[str, Found] = {}
    said: dict[str, str] = {}
    addresses = {}
    for key, value in _leaves(data, str(path)):
        where = f"{path}: {key}"
        if key.startswith(f"{PROVIDERS}."):
            variable, address = check_address(key, value, where)
            addresses[variable] = Found(address, f"{path} {key}")
            continue
        setting = BY_PATH[key]
        if setting.name in said:
            message = f"{where} and {said[setting.name]} are the same setting"
            raise UsageError(message, hint="keep one of them")
        said[setting.name] = key
        found[setting.name] = Found(_placed(path, setting.name, checked(setting, value, where)), f"{path} {key}")
    return found, addresses


def _leaves(data: dict[str, Any], name: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of all keys that say something. Raises UsageError for one that is not known."""
    for key, value in data.items():
        path = f"{prefix}{key}"
        if prefix == f"{PROVIDERS}." or path in BY_PATH:
            if value is not None:
                yield path, value
            continue
        known = [one[len(prefix) :].partition(".")[0] for one in (*BY_PATH, *SECTIONS) if one.startswith(prefix)]
        refuse_unknown(str(key), list(dict.fromkeys(known)), name, prefix)
        if value is not None and not isinstance(value, dict):
            message = f"{name}: {path} holds further keys, not {value!r}"
            raise UsageError(message)
        yield from _leaves(value or {}, name, f"{path}.")


def _placed(path: Path, name: str, value: Any) -> Any:  # noqa: ANN401
    """Places in a file are meant from that file's folder."""
    return str(path.parent / Path(value).expanduser()) if name in PLACES else value


def _is_file(path: Path) -> bool:
    """Is there a file that we may look at? A folder above that is closed to us holds none of ours."""
    try:
        return path.is_file()
    except OSError:
        return False


def _require_ours(path: Path) -> None:
    owner, user = path.stat().st_uid, os.geteuid()
    if user not in {0, owner} and owner != 0:
        message = f"{path} belongs to another user, and could send your keys elsewhere"
        raise UsageError(message, hint="make it your own with chown, or work in another folder")

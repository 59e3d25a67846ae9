"""Settings: one table of keys, and for each key the first source that says something.

Order: flags of the command, a template it names, PACKMULE_* in the environment, `.env`, the project file, the user
file, the defaults. A key that nobody knows and a value that makes no sense are errors which name file and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from packmule.config import STORE, dollars, limits_of
from packmule.core.batch import Limits
from packmule.core.nearest import suggestion
from packmule.core.retry import ErrorName
from packmule.errors import UsageError

Money = str | int | float
Texts = str | list[str]
Mode = Literal["auto", "detailed", "compact", "log", "quiet", "none"]
_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
PREFIX = "PACKMULE_"
PLACES = ("output", "store", "checkpoint_directory")
_LEAST = {"temperature": 0, "max_output_tokens": 1, "refresh_rate": 0.25, "checkpoint_save_interval": 1}
_MOST = 10**9
_NO_OPTION = ("refresh_rate", "track_per_persona", "checkpoint_")
"""Settings that no option of `run` takes: the display and the checkpoints ask for them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `name` is its option and PACKMULE_NAME; `paths` are its places in a file; `kind` its type."""

    name: str
    paths: tuple[str, ...]
    kind: Any
    default: object
    everywhere: bool = False


def _default(name: str, kind: Any, default: object = None, *, everywhere: bool = False) -> Setting:  # noqa: ANN401
    return Setting(name, (f"defaults.{name}",), kind, default, everywhere)


_LIMITS = Limits()
TABLE = (
    _default("model", Texts),
    _default("temperature", float),
    _default("max_output_tokens", int),
    _default("max_cost", Money),
    _default("item_cap", Money),
    _default("concurrency", int, _LIMITS.concurrency),
    _default("rpm", float),
    _default("tpm", float),
    _default("timeout", float, _LIMITS.timeout_s),
    _default("outage_limit", float),
    _default("retries_invalid", int, _LIMITS.retries_invalid),
    _default("on_unknown", Literal["retry", "hold"], _LIMITS.on_unknown),
    _default("mode", Literal["realtime", "jobs"], _LIMITS.mode),
    _default("items_per_job", int, _LIMITS.items_per_job),
    _default("max_parallel_jobs", int, _LIMITS.max_parallel_jobs),
    _default("job_linger", float, _LIMITS.job_linger_s),
    _default("output", str, "packmule-out"),
    _default("store", str, str(STORE), everywhere=True),
    Setting("progress", ("batch.progress.mode", "defaults.progress"), Mode, "auto", everywhere=True),
    Setting("refresh_rate", ("batch.progress.refresh_rate",), float, 0.25),
    Setting("checkpoint_auto_save", ("batch.checkpoint.auto_save",), bool, True),  # noqa: FBT003 - its default
    Setting("checkpoint_save_interval", ("batch.checkpoint.save_interval",), float, 30.0),
    Setting("checkpoint_directory", ("batch.checkpoint.directory",), str, None),
    Setting("retry_count", ("batch.retry.max_attempts",), int, _LIMITS.retry_count),
    Setting("retry_delay", ("batch.retry.delay_seconds",), float, _LIMITS.retry_delay_s),
    Setting("retry_backoff", ("batch.retry.backoff_multiplier",), float, _LIMITS.retry_backoff),
    Setting("retry_on", ("batch.retry.retryable_errors",), list[ErrorName], None),
    Setting("track_per_persona", ("batch.cost.track_per_persona",), bool, True),  # noqa: FBT003 - its default
    Setting("on_budget", ("batch.cost.budget_enforcement",), Literal["stop", "warn"], _LIMITS.on_budget),
)
BY_NAME = {setting.name: setting for setting in TABLE}
BY_PATH = {path: setting for setting in TABLE for path in setting.paths}
PROVIDERS = "providers"


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it was said."""

    value: Any
    origin: str


def shown_variable(name: str, found: Found) -> str:
    """A provider's variable as it may be shown: of a key only that it is set."""
    plain = name.endswith("_BASE_URL") and not {"@", "?", "#"} & set(str(found.value))
    return found.value if plain else "(set)"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When and where checkpoints are written. With a `directory` each batch has one there, asked for or not."""

    auto_save: bool
    save_interval_s: float
    directory: Path | None

    @property
    def save_s(self) -> float:
        """Between two saves of a running batch; without auto_save only its changes of state are saved."""
        return self.save_interval_s if self.auto_save else inf


@dataclass(frozen=True)
class Settings:
    """All that was said outside the command. `variables` are provider variables for the environment."""

    found: Mapping[str, Found] = field(default_factory=dict)
    variables: Mapping[str, Found] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def value(self, name: str) -> Any:  # noqa: ANN401 - of the kind the table says
        """The value of a setting, its default when nobody said one."""
        found = self.found.get(name)
        return BY_NAME[name].default if found is None else found.value

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The settings of `batch.checkpoint`."""
        directory = self.value("checkpoint_directory")
        every_s = float(self.value("checkpoint_save_interval"))
        return Checkpoints(self.value("checkpoint_auto_save"), every_s, None if directory is None else Path(directory))

    def options(self, *, beginning: bool) -> dict[str, Any]:
        """Values for a command's options; limits belong to a batch from its beginning, so only that gets them."""
        names = [name for name in self.found if not name.startswith(_NO_OPTION)]
        return {n: _as_typed(n, self.found[n]) for n in names if beginning or BY_NAME[n].everywhere}


def _as_typed(name: str, found: Found) -> Any:  # noqa: ANN401 - what the option would have been given
    if name == "output":
        # One folder for all batches would have each new one replace the last one's results.
        return found.value if "{batch}" in found.value else f"{found.value}/{{batch}}"
    return [found.value] if name == "model" and isinstance(found.value, str) else found.value


def checked(setting: Setting, value: Any, where: str, *, lax: bool = False) -> Any:  # noqa: ANN401
    """The value, of its kind. Raises UsageError that begins with `where`; `lax` reads numbers out of text."""
    _check_choices(setting, value, where)
    try:
        value = msgspec.convert(value, setting.kind, strict=not lax)
    except msgspec.ValidationError as error:
        kind = _WORDS.get(setting.kind)
        reason = str(error).partition(" - at ")[0] if kind is None else f"{value!r} is not {kind}"
        message = f"{where}: {reason}"
        raise UsageError(message) from None
    if setting.name in {"max_cost", "item_cap"}:
        dollars(value, where)
        return str(value)
    if setting.name in _LEAST:
        _check_range(value, _LEAST[setting.name], where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        limits_of(_LIMITS, {setting.name: value}, lambda _: where)
    elif value in ("", []):
        message = f"{where} is empty"
        raise UsageError(message, hint="leave the key out, or give it a value")
    return value


def split(setting: Setting, text: str) -> Any:  # noqa: ANN401 - text, or texts
    """A variable's text as the kind needs it: lists are written with commas."""
    several = get_origin(setting.kind) is list or setting.kind is Texts
    return [part.strip() for part in text.split(",")] if several else text.strip()


def setting_of(key: str) -> Setting:
    """The setting of a key as people write it: its place in the file, or its option's name. Raises UsageError."""
    setting = BY_PATH.get(key) or BY_NAME.get(key.lstrip("-").replace("-", "_"))
    if setting is None:
        message = f"{key} is not a setting{suggestion(key, [*BY_PATH, *BY_NAME])}"
        raise UsageError(message, hint="packmule config show lists them all")
    return setting


def _check_choices(setting: Setting, value: Any, where: str) -> None:  # noqa: ANN401
    kind = get_args(setting.kind)[0] if get_origin(setting.kind) is list else setting.kind
    if get_origin(kind) is not Literal:
        return
    choices = get_args(kind)
    for one in value if isinstance(value, list) else [value]:
        if one not in choices:
            message = f"{where}: {one!r} is none of {', '.join(choices)}{suggestion(str(one), choices)}"
            raise UsageError(message)


def _check_range(value: float, least: float, where: str) -> None:
    if not least <= value <= _MOST:
        message = f"{where}: {value:g} is too {'small' if value < least else 'large'}"
        raise UsageError(message, hint=f"it lies between {least:g} and {_MOST:,}")

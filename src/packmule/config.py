"""What a person asked for: the order for a batch, and the settings around it with their sources.

Precedence: the command's or call's own words, then PACKMULE_* in the environment, then the defaults here. What the
command line reads from files besides is in `compose.settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from packmule.core.asking import check_count, check_number, check_settings
from packmule.core.batch import Limits
from packmule.core.money import PICO, pico_from_usd
from packmule.errors import UsageError

STORE = Path(".packmule") / "store.db"
OUT = Path("packmule-out")
PER_MILLION_TOKENS = 10**6
# Picodollars are counted in 64 bits: these keep every sum within them.
MOST_DOLLARS = 1_000_000
MOST_PRICE = 10_000

CONSENT = frozenset({"max_cost", "price_in", "price_out", "free"})
"""Limits by which a person agrees to spend: a cap, or the word that it costs nothing or so much."""


@dataclass(slots=True)
class Order:
    """One batch as asked for.

    `items` is a path, several paths of documents, '-', or rows; `recipe` a name or a function.
    `pace` is how long a second lasts; other than 1 in a demonstration only.
    `settled` names what nobody said now: it comes from a settings file, the environment or a template, and changes
    no cap of a batch that exists. `unspoken` names those of CONSENT that only a file of the project, a template or a
    checkpoint says: they hold, but they agree to nothing.
    """

    items: Any
    prompt: str | None = None
    system: str | None = None
    schema: Any = None
    models: tuple[str, ...] = ()
    base_url: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    key: str | None = None
    where: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    limit: int | None = None
    recipe: str | Callable[..., Any] | None = None
    limits: Limits = field(default_factory=Limits)
    fresh: bool = False
    take_over: bool = False
    dry_run: bool = False
    out_dir: Path | None = None
    sim_scenario: Path | None = None
    pace: float = 1.0
    settled: frozenset[str] = frozenset()
    unspoken: frozenset[str] = frozenset()
    command: str = ""
    stdin: Any = None
    spell: Callable[[str], str] = lambda name: f"--{name.replace('_', '-')}"


def store_path(given: Path | None, env: Mapping[str, str]) -> Path:
    """--store, else PACKMULE_STORE, else .packmule/store.db below the current folder."""
    if given is not None:
        return given
    return Path(env["PACKMULE_STORE"]) if env.get("PACKMULE_STORE") else STORE


def dollars(value: str | float | None, name: str, *, zero: bool = False) -> int | None:
    """An amount of dollars as picodollars. Raises UsageError for what is none, or is not above zero."""
    if value is None:
        return None
    try:
        amount = pico_from_usd(value)
    except ValueError as error:
        message = f"{name}: {error}"
        raise UsageError(message) from None
    if amount < 0 or (amount == 0 and not zero):
        message = f"{name} {value} is not above zero"
        raise UsageError(message, hint=f"give dollars, like {name} 2.00")
    if amount > MOST_DOLLARS * PICO:
        message = f"{name} {value} is too large"
        raise UsageError(message, hint=f"the most that is counted is ${MOST_DOLLARS:,}")
    return amount


def dashed(name: str) -> str:
    """The option of the command line that sets this limit."""
    return f"--{name.replace('_', '-')}"


_MONEY = ("max_cost", "item_cap")
_PRICES = ("price_in", "price_out")
_PICO = {_MONEY: (1, MOST_DOLLARS * PICO), _PRICES: (0, MOST_PRICE * PICO // PER_MILLION_TOKENS)}
_SECONDS = ("retry_delay", "timeout", "outage_limit", "job_linger")
_PLAIN = (
    "on_budget",
    "free",
    "concurrency",
    "rpm",
    "tpm",
    "retry_count",
    "retry_backoff",
    "retry_on",
    "retries_invalid",
    "on_unknown",
    "mode",
    "items_per_job",
    "max_parallel_jobs",
)
_LEAST = {
    "concurrency": 1,
    "rpm": 1,
    "tpm": 1,
    "retry_count": 0,
    "retry_delay": 0,
    "retry_backoff": 1,
    "retries_invalid": 0,
    "timeout": 0.001,
    "outage_limit": 0,
    "items_per_job": 1,
    "max_parallel_jobs": 1,
    "job_linger": 0,
}


def limits_of(base: Limits, given: Mapping[str, Any], spell: Callable[[str], str] = dashed) -> Limits:
    """The limits in `given` (money in dollars, times in seconds; None: not given) put over `base`.

    `spell` writes a limit's name as the person gave it. Raises UsageError for a limit that makes no sense.
    """
    changes: dict[str, Any] = {name: dollars(given.get(name), spell(name)) for name in _MONEY}
    changes |= {name: _per_token(given.get(name), spell(name)) for name in _PRICES}
    changes |= {f"{name}_s": given.get(name) for name in _SECONDS}
    changes |= {name: given.get(name) for name in _PLAIN}
    changes["free"] = changes["free"] or None
    changes["retry_on"] = changes["retry_on"] or None
    known = {name: value for name, value in changes.items() if value is not None}
    return checked_limits(msgspec.structs.replace(base, **known), spell)


def checked_limits(limits: Limits, spell: Callable[[str], str] = dashed) -> Limits:
    """The limits, each of its kind. Raises UsageError for one that makes no sense, whoever says it: words or a file."""
    for name, least in _LEAST.items():
        check_number(spell(name), getattr(limits, f"{name}_s" if name in _SECONDS else name), least)
    for names, (least, most) in _PICO.items():
        for name in names:
            pico = getattr(limits, name)
            if pico is not None and not least <= pico <= most:
                message = f"{spell(name)} is not between {least} and {most} picodollars"
                raise UsageError(message)
    try:
        limits = msgspec.convert(msgspec.to_builtins(limits), Limits)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        message = f"{spell(place.rstrip('`').removesuffix('_s'))}: {reason}"
        raise UsageError(message) from None
    if (limits.price_in is None) != (limits.price_out is None):
        message = f"{spell('price_in')} and {spell('price_out')} go together"
        raise UsageError(message, hint="give both, in dollars per million tokens")
    if limits.free and limits.price_in is not None:
        message = f"{spell('free')} and {spell('price_in')} contradict each other"
        raise UsageError(message, hint="give one of them")
    return limits


_TEXTS = ("prompt", "system", "base_url", "key")
_TEXT_LISTS = ("models", "where", "skip")


def check_order(order: Order) -> None:
    """Raises UsageError for what is not of its kind: it would be written into the store, and read by nobody."""
    for name in _TEXTS:
        _check_text(name, getattr(order, name), optional=True)
    for name, path in (("the input's name", order.items), ("the output folder's name", order.out_dir)):
        if isinstance(path, str | Path):
            _check_text(name, str(path))
    for name in _TEXT_LISTS:
        for text in getattr(order, name):
            _check_text(name, text)
    check_count(order.spell("limit"), order.limit)
    check_settings(order.max_output_tokens, order.temperature, order.spell)


def _check_text(name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if not isinstance(value, str):
        message = f"{name} must be text, not {value!r}"
        raise UsageError(message)
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"{name} holds half a character (a lone surrogate), which cannot be sent"
        raise UsageError(message, hint="mend the text where it comes from") from None


def _per_token(value: str | float | None, name: str) -> int | None:
    per_million = dollars(value, name, zero=True)
    if per_million is None:
        return None
    if per_million > MOST_PRICE * PICO:
        message = f"{name} {value} is too large for a price per million tokens"
        raise UsageError(message, hint=f"the most that is counted is ${MOST_PRICE:,}")
    if per_million % PER_MILLION_TOKENS:
        message = f"{name} has more digits than a price per million tokens can have"
        raise UsageError(message, hint="six places are enough")
    return per_million // PER_MILLION_TOKENS

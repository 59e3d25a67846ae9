"""What a person asked for: the order for a batch, and the settings around it with their sources.

Precedence: the command's or call's own words, then PACKMULE_* in the environment, then the defaults here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packmule.core.batch import Limits
from packmule.core.money import pico_from_usd
from packmule.errors import UsageError

STORE = Path(".packmule") / "store.db"
OUT = Path("packmule-out")


@dataclass(slots=True)
class Order:
    """One batch as asked for. `items` is a path, '-', or rows; `recipe` a name or a function."""

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
    out_dir: Path | None = None
    sim_scenario: Path | None = None
    command: str = ""
    stdin: Any = None


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
    return amount


def check_limits(limits: Limits) -> Limits:
    """Raises UsageError for a limit that makes no sense, naming its option."""
    least = {
        "concurrency": (1, "--concurrency"),
        "rpm": (1, "--rpm"),
        "tpm": (1, "--tpm"),
        "retry_count": (0, "--retry-count"),
        "retry_delay_s": (0, "--retry-delay"),
        "retries_invalid": (0, "--retries-invalid"),
        "timeout_s": (0.001, "--timeout"),
        "outage_limit_s": (0, "--outage-limit"),
    }
    for name, (minimum, option) in least.items():
        value = getattr(limits, name)
        if value is not None and not value >= minimum:
            message = f"{option} {value:g} is too small"
            raise UsageError(message, hint=f"the least is {minimum:g}")
    if (limits.price_in is None) != (limits.price_out is None):
        message = "--price-in and --price-out go together"
        raise UsageError(message, hint="give both, in dollars per million tokens")
    if limits.free and limits.price_in is not None:
        message = "--free and --price-in contradict each other"
        raise UsageError(message)
    return limits

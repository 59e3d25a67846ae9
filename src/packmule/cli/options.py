"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from packmule.config import check_limits, dollars
from packmule.core.batch import Limits
from packmule.errors import UsageError

PER_MILLION = 10**6

StoreOption = Annotated[Path | None, typer.Option("--store", help="The store (default .packmule/store.db).")]
OutOption = Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")]
ProgressOption = Annotated[
    Literal["line", "quiet"], typer.Option("--progress", help="One plain line, or nothing until the end.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Agree to spend without being asked.")]
TakeOverOption = Annotated[bool, typer.Option("--take-over", help="Take the batch from a runner that hangs.")]
SimOption = Annotated[Path | None, typer.Option("--sim-scenario", help="Scenario file for sim/ models.")]
MaxCost = Annotated[str | None, typer.Option("--max-cost", help="Dollars the batch may cost at most.")]
ItemCap = Annotated[str | None, typer.Option("--item-cap", help="Dollars one item may cost at most.")]
OnBudget = Annotated[Literal["stop", "warn"] | None, typer.Option("--on-budget", help="Stop at the cap, or warn.")]
PriceIn = Annotated[str | None, typer.Option("--price-in", help="Dollars per million input tokens.")]
PriceOut = Annotated[str | None, typer.Option("--price-out", help="Dollars per million output tokens.")]
Free = Annotated[bool, typer.Option("--free", help="Declare that the endpoint costs nothing.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="Calls in flight at most (16).")]
Rpm = Annotated[float | None, typer.Option("--rpm", help="Requests a minute at most.")]
Tpm = Annotated[float | None, typer.Option("--tpm", help="Tokens a minute at most.")]
RetryCount = Annotated[int | None, typer.Option("--retry-count", help="Retries of a call after its first try (3).")]
RetryDelay = Annotated[
    float | None, typer.Option("--retry-delay", help="Seconds before the first retry, doubling (5).")
]
RetriesInvalid = Annotated[
    int | None, typer.Option("--retries-invalid", help="Re-asks after an answer that is not valid (2).")
]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds for one attempt (600).")]
OutageLimit = Annotated[
    float | None, typer.Option("--outage-limit", help="Seconds to wait for a provider that is down.")
]
OnUnknown = Annotated[
    Literal["retry", "hold"] | None,
    typer.Option("--on-unknown", help="An attempt that may have been billed: retry it, or hold the item."),
]


def limits_from(base: Limits, given: dict[str, object]) -> Limits:
    """The limits with what was typed put over `base`. Raises UsageError."""
    changes: dict[str, object] = {
        "max_cost": dollars(_text(given, "max_cost"), "--max-cost"),
        "item_cap": dollars(_text(given, "item_cap"), "--item-cap"),
        "price_in": _price(given, "price_in"),
        "price_out": _price(given, "price_out"),
        "free": given.get("free") or None,
        "retry_delay_s": given.get("retry_delay"),
        "timeout_s": given.get("timeout"),
        "outage_limit_s": given.get("outage_limit"),
    }
    for name in ("on_budget", "concurrency", "rpm", "tpm", "retry_count", "retries_invalid", "on_unknown"):
        changes[name] = given.get(name)
    known = {name: value for name, value in changes.items() if value is not None}
    return check_limits(msgspec.structs.replace(base, **known))


def _text(given: dict[str, object], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else str(value)


def _price(given: dict[str, object], name: str) -> int | None:
    option = f"--{name.replace('_', '-')}"
    per_million = dollars(_text(given, name), option, zero=True)
    if per_million is None:
        return None
    if per_million % PER_MILLION:
        message = f"{option} has more digits than a price per million tokens can have"
        raise UsageError(message, hint="six places are enough")
    return per_million // PER_MILLION

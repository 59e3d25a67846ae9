"""Progress as JSON for programs: money in decimal strings, times RFC 3339 in UTC, unknown as null."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from packmule.core.eta import Forecast
from packmule.core.money import Price, usd
from packmule.views.estimate import Foreseen
from packmule.views.progress import COUNTS, Line, Progress
from packmule.views.projection import Projection

FORM = 1


def record(event: str, at_us: int, **fields: object) -> dict[str, Any]:
    """One record of a stream."""
    return {"v": FORM, "event": event, "at": time_text(at_us), **fields}


def time_text(at_us: int) -> str:
    """'2026-11-24T14:02:11.250Z'."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def progress_record(progress: Progress) -> dict[str, Any]:
    """All of it; every face's numbers are these."""
    return {
        "batch_id": progress.batch_id,
        "state": progress.state,
        "label": progress.label,
        "reason": progress.reason or None,
        "source": progress.name,
        "models": list(progress.models),
        "counts": {name: getattr(progress, name) for name in COUNTS},
        "calls": {
            "in_flight": progress.in_flight,
            "width": progress.width,
            "concurrency": progress.concurrency,
            "attempts": progress.attempts,
        },
        "cost": _cost(progress),
        "tokens": {"in": progress.tokens_in, "out": progress.tokens_out},
        "pace": {"items_per_min": progress.per_min, "p50_s": progress.p50_s, "p95_s": progress.p95_s},
        "elapsed_s": progress.elapsed_s,
        "eta": _eta(progress.eta),
        "waits": [msgspec.to_builtins(wait) for wait in progress.waits],
        "active": [_line(line) for line in progress.active],
    }


def estimate_record(seen: Foreseen, batch_id: str | None, cap: int | None) -> dict[str, Any]:
    """What a run would do and cost; `batch_id` is the batch that it would go on with."""
    guess = seen.guess
    amounts = {
        "low": None if guess is None else guess.low,
        "likely": seen.likely,
        "high": None if guess is None else guess.high,
        "cap": cap,
    }
    return {
        "batch_id": batch_id,
        "items": seen.items,
        "tokens_in": None if guess is None else guess.tokens_in,
        "cost": {f"{name}_usd": None if amount is None else usd(amount) for name, amount in amounts.items()},
        "price": None if guess is None else _price(guess.price),
        "first_prompt": seen.first_prompt,
        "notes": list(seen.notes),
    }


def _price(price: Price) -> dict[str, Any]:
    rates = {"in_usd": usd(price.input[0][1] * 10**6), "out_usd": usd(price.output[0][1] * 10**6)}
    return {**rates, "per_tokens": 10**6, "source": price.source, "day": price.day or None}


def _cost(progress: Progress) -> dict[str, Any]:
    return {
        "settled_usd": usd(progress.settled),
        "held_usd": usd(progress.held),
        "unknown_usd": usd(progress.unknown),
        "cap_usd": None if progress.cap is None else usd(progress.cap),
        "cap_stops": progress.cap_stops,
        "projected": _projected(progress.projection),
    }


def _projected(projection: Projection | None) -> dict[str, str] | None:
    if projection is None:
        return None
    return {f"{name}_usd": usd(getattr(projection, name)) for name in ("per_item", "low", "likely", "high")}


def _eta(forecast: Forecast | None) -> dict[str, Any] | None:
    return None if forecast is None else msgspec.to_builtins(forecast)


def _line(line: Line) -> dict[str, Any]:
    return {
        "number": line.number,
        "key": line.key,
        "state": line.state,
        "reason": line.reason or None,
        "for_s": line.time_s,
        "wait_s": line.wait_s or None,
        "cost_usd": usd(line.cost),
        "unknown_usd": usd(line.unknown),
    }

"""What is taken away: results.jsonl, results.csv, summary.json, written atomically from the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from packmule.compose.parts import Parts
from packmule.core.money import usd
from packmule.core.rows import BatchRow, ResultRow
from packmule.engine.world import price_of
from packmule.errors import PreflightError
from packmule.exports import ResultRecord, write_records, write_results
from packmule.store import Store, reads

RESULT_FILES = ("results.jsonl", "results.csv", "summary.json")
_NEVER_BEGUN = "batch cap"


def check_folder(folder: Path) -> None:
    """Raise PreflightError unless files can be written there; the folder is made."""
    probe = folder / f".packmule-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        message = f"the output folder {folder} cannot be written: {error.strerror}"
        raise PreflightError(message, hint="choose another with -o") from None


def batch_in(folder: Path) -> str | None:
    """Whose results lie there, None when none are or nobody can tell."""
    try:
        found = msgspec.json.decode((folder / "summary.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return found.get("batch_id") if isinstance(found, dict) else None


def records(store: Store, row: BatchRow) -> Iterator[ResultRecord]:
    """One record an item, in input order. After a budget stop, items never begun are shown as skipped (batch cap)."""
    capped = _capped(row)
    return (_record(result, capped=capped) for result in reads.results(store, row.batch))


def write_batch(store: Store, row: BatchRow, folder: Path, parts: Parts | None = None) -> None:
    """All result files of a batch."""
    write_results(folder, lambda: records(store, row), summary(store, row, parts))


def export_to(store: Store, row: BatchRow, path: Path) -> int:
    """One file of the format its name says. Returns how many records."""
    return write_records(path, records(store, row))


def summary(store: Store, row: BatchRow, parts: Parts | None = None) -> dict[str, Any]:
    """Counts that add up, money as decimal strings, what was used and where it came from."""
    counts = {
        name: getattr(row, name)
        for name in ("total", "completed", "failed", "skipped", "blocked", "cancelled", "pending")
    }
    if _capped(row):
        # As in the records: what the money never reached was skipped by the cap.
        never = reads.never_begun(store, row.batch)
        counts["pending"] -= never
        counts["skipped"] += never
    cap = row.limits.max_cost
    return {
        "batch_id": row.id,
        "state": row.state,
        "reason": row.reason or None,
        "counts": counts,
        "cost_usd": usd(row.settled),
        "unknown_usd": usd(row.unknown),
        "cap_usd": None if cap is None else usd(cap),
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "attempts": row.attempts,
        "models": list(row.spec.models),
        "prices": _prices(row, parts),
        "source": {"name": row.source.name, "sha256": row.source.sha256, **row.ingest_notes},
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at),
        "failures": [{"reason": reason, "items": count} for reason, count in reads.failures(store, row.batch)],
    }


def _capped(row: BatchRow) -> bool:
    return row.state == "stopped" and row.reason == "budget"


def _prices(row: BatchRow, parts: Parts | None) -> dict[str, Any]:
    if parts is None:
        return {}
    prices = {model: price_of(parts.endpoint(model), row.limits) for model in row.spec.models}
    return {
        model: {
            "input_per_million_usd": usd(price.input[0][1] * 10**6),
            "output_per_million_usd": usd(price.output[0][1] * 10**6),
            "source": price.source,
            "day": price.day,
        }
        for model, price in prices.items()
    }


def _record(result: ResultRow, *, capped: bool) -> ResultRecord:
    status, reason = result.state, result.reason
    if capped and status == "pending" and result.attempts == 0:
        status, reason = "skipped", _NEVER_BEGUN
    return ResultRecord(
        seq=result.seq,
        key=result.key,
        status=status,
        output=result.output,
        reason=reason or "",
        cost_usd=usd(result.cost),
        tokens_in=result.tokens_in,
        tokens_out=result.tokens_out,
        attempts=result.attempts,
        latency_s=result.latency_ms / 1000,
        model=result.model or "",
    )


def _time(at_us: int | None) -> str | None:
    if at_us is None:
        return None
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

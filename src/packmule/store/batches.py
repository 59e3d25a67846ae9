"""Batches in the store: creating, finding, taking the lease, rounds, limits, wishes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from packmule.core.batch import (
    Limits,
    Plan,
    Round,
    SourceMark,
    cap_of,
    identity,
    limits_event,
    refuse_low_cap,
    spec_digest,
)
from packmule.core.group import new_counts
from packmule.core.items import SourceItem
from packmule.core.rows import BatchRow
from packmule.core.states import BATCH, move
from packmule.errors import LeaseHeld, LeaseLost, UsageError
from packmule.store.lock import RunnerLock
from packmule.store.packing import pack
from packmule.store.rows import batch_row
from packmule.store.sqlite import Store
from packmule.store.statements import SQL

GLANCE_S = 0.02
_json = msgspec.json.encode


def create(store: Store, batch_id: str, plan: Plan, command: str, now_us: int, *, fresh: bool = True) -> BatchRow:
    """A new batch in state `created`, without items.

    Unless `fresh`, the unfinished one of the same identity, where another process has just made it: the same command
    typed twice at once is one batch.
    """
    spec, source, limits = plan.spec, plan.source, plan.limits
    row = (batch_id, identity(spec, source), spec_digest(spec), _text(spec), _text(limits), _text(source))
    with store.transaction() as connection:
        same = None if fresh else connection.execute(SQL["unfinished_of_identity"], (row[1],)).fetchone()
        if same is not None:
            return get(store, same[0])
        added = connection.execute(SQL["add_batch"], (*row, _text(Round()), command, now_us)).fetchone()
        assert added is not None
        (batch,) = added
        connection.execute(SQL["add_totals"], (batch, cap_of(limits)))
        connection.execute(SQL["add_event"], (batch, now_us, "created", "{}"))
    return get(store, batch_id)


def get(store: Store, batch_id: str) -> BatchRow:
    """The batch with this id, or whose id ends or begins so. Raises UsageError for none or several."""
    exact = store.one("batch_columns", (batch_id,), more=" WHERE b.id = ?")
    if exact is not None:
        return batch_row(exact)
    like = " WHERE ?1 != '' AND instr(b.id, ?1) ORDER BY b.batch DESC LIMIT 3"
    rows = store.read("batch_columns", (batch_id,), more=like)
    if len(rows) == 1:
        return batch_row(rows[0])
    if rows:
        message = f"{batch_id!r} fits several batches: {', '.join(row[1] for row in rows)}"
        raise UsageError(message, hint="type more of the id")
    message = f"no batch {batch_id!r} in {store.path}"
    raise UsageError(message, hint="packmule list shows what there is")


def reload(store: Store, batch: int) -> BatchRow:
    """The batch as it is now."""
    row = store.one("batch_columns", (batch,), more=" WHERE b.batch = ?")
    assert row is not None
    return batch_row(row)


def newest(store: Store, limit: int = 20) -> list[BatchRow]:
    """The last batches, newest first."""
    return [batch_row(row) for row in store.read("batch_columns", (limit,), more=" ORDER BY b.batch DESC LIMIT ?")]


def of_identity(store: Store, ident: str) -> list[BatchRow]:
    """All batches of this identity, newest first."""
    rows = store.read("batch_columns", (ident,), more=" WHERE b.identity = ? ORDER BY b.batch DESC LIMIT 20")
    return [batch_row(row) for row in rows]


def of_spec(store: Store, digest: str) -> list[BatchRow]:
    """All batches that differ in their source only, newest first."""
    rows = store.read("batch_columns", (digest,), more=" WHERE b.spec_digest = ? ORDER BY b.batch DESC LIMIT 20")
    return [batch_row(row) for row in rows]


def add_items(store: Store, batch: int, seq: int, page: list[tuple[str, SourceItem]]) -> int:
    """Insert a page of (key, item) from `seq` on; returns the next seq."""
    rows = [
        (batch, seq + n, key, pack(_json(item.data)), "skipped" if item.skip else "pending", item.skip)
        for n, (key, item) in enumerate(page)
    ]
    skipped = sum(1 for _, item in page if item.skip)
    with store.transaction() as connection:
        connection.executemany(SQL["add_item"], rows)
        connection.execute(SQL["count_added"], (len(rows), len(rows) - skipped, skipped, batch))
    return seq + len(rows)


def next_seq(store: Store, batch: int) -> int:
    """How many items are in."""
    row = store.one("next_seq", (batch,))
    return int(row[0]) if row else 0


def ingested(store: Store, row: BatchRow, source: SourceMark, notes: dict[str, Any]) -> None:
    """All items are in; calls may go out."""
    store.write("set_ingested", (_text(notes), identity(row.spec, source), _text(source), row.batch))


def extend(store: Store, batch: int) -> None:
    """More rows are to come in."""
    store.write("unset_ingested", (batch,))


def take_lease(store: Store, row: BatchRow, *, take_over: bool = False) -> tuple[int, RunnerLock]:
    """Become the one runner of a batch: (epoch, lock).

    A free lock is taken at once; a held one only with `take_over`, which makes every later write of the old runner
    fail. Raises LeaseHeld.
    """
    for _ in range(20):
        epoch = reload(store, row.batch).epoch
        old = RunnerLock(_lock_path(store, row.id, epoch))
        free = old.take()
        if not free:
            # Whoever only looks whether a batch runs holds its lock for an instant.
            time.sleep(GLANCE_S)
            free = old.take()
        if not free and not take_over:
            message = f"{row.id} is being run by {_who(old.holder())}"
            raise LeaseHeld(message, hint="watch or stop that one; --take-over if it hangs")
        new = RunnerLock(_lock_path(store, row.id, epoch + 1))
        if new.take():
            taken = store.write("take_epoch", (row.batch, epoch))
            if taken is not None:
                old.drop()
                return int(taken[0]), new
            new.drop()
        old.drop()
    message = f"{row.id} is being taken by other processes again and again"
    raise LeaseHeld(message, hint="try again in a moment")


def _who(pid: str) -> str:
    if pid == str(os.getpid()):
        return "this same process"
    return f"another process{f' (pid {pid})' if pid else ''}"


def is_running(store: Store, row: BatchRow) -> bool:
    """Does a live process hold this batch?"""
    lock = RunnerLock(_lock_path(store, row.id, row.epoch))
    if not lock.path.exists():
        return False
    free = lock.take()
    if free:
        lock.drop()
    return not free


def runner_pid(store: Store, row: BatchRow) -> int | None:
    """The process that wrote itself into the lock of this batch."""
    pid = RunnerLock(_lock_path(store, row.id, row.epoch)).holder()
    return int(pid) if pid.isdecimal() else None


def recover(store: Store, row: BatchRow, epoch: int, now_us: int) -> int:
    """What the last runner had on its way is unknown now, and wishes it did not live to see are void.

    Returns how many attempts were lost.
    """
    with store.transaction() as connection:
        lost: list[tuple[Any, ...]] = connection.execute(SQL["held_of_batch"], (row.batch,)).fetchall()
        connection.executemany(SQL["lose_attempt"], [(row.batch, *attempt[:3]) for attempt in lost])
        connection.execute(SQL["void_wishes"], (now_us, row.batch))
        worst: int = sum(attempt[3] for attempt in lost)
        params = {**new_counts(), "batch": row.batch, "epoch": epoch, "held": -worst, "unknown": worst}
        if connection.execute(SQL["rev_up"], params).fetchone() is None:
            message = "another runner took this batch over"
            raise LeaseLost(message)
    return len(lost)


def set_limits(store: Store, row: BatchRow, limits: Limits, now_us: int, who: str, reason: str = "") -> None:
    """Change the limits of a batch at rest. Raises UsageError for a cap below what is committed."""
    refuse_low_cap(limits, row.settled + row.unknown + row.held)
    with store.transaction() as connection:
        connection.execute(SQL["set_limits"], (_text(limits), row.batch))
        connection.execute(SQL["set_cap"], (cap_of(limits), row.batch))
        data = _text(limits_event(row.limits, limits, who, reason))
        connection.execute(SQL["add_event"], (row.batch, now_us, "limits", data))


def set_state(store: Store, row: BatchRow, event: str, reason: str, now_us: int) -> BatchRow:
    """Move a batch at rest by the table."""
    state = move(BATCH, row.state, event)
    ended = None if state in {"created", "running", "paused"} else now_us
    with store.transaction() as connection:
        connection.execute(SQL["set_state"], (state, reason, None, ended, row.batch))
        connection.execute(SQL["add_event"], (row.batch, now_us, state, _text({"reason": reason})))
    return reload(store, row.batch)


def cancel(store: Store, row: BatchRow, now_us: int) -> BatchRow:
    """End a batch at rest for good: what is pending is cancelled, and what it had on its way stays unknown."""
    state = move(BATCH, row.state, "cancel")
    with store.transaction() as connection:
        for name in ("cancel_items", "cancel_totals"):
            connection.execute(SQL[name], (row.batch,))
        connection.execute(SQL["set_state"], (state, "cancelled", None, now_us, row.batch))
        connection.execute(SQL["add_event"], (row.batch, now_us, state, "{}"))
    return reload(store, row.batch)


def open_round(
    store: Store, row: BatchRow, settings: Round, states: tuple[str, ...], now_us: int, seqs: Sequence[int] = ()
) -> int:
    """Make items pending again, in a new round: all of these final states, and those of `seqs`. Returns how many."""
    counts = dict.fromkeys(("failed", "blocked", "skipped", "cancelled"), 0)
    with store.transaction() as connection:
        connection.execute(SQL["make_chosen"])
        connection.execute(SQL["empty_chosen"])
        connection.executemany(SQL["add_chosen"], ((seq,) for seq in seqs))
        partly = [name for name in ("failed", "blocked", "skipped") if seqs and name not in states]
        for state in (*states, *partly):
            params = {"batch": row.batch, "state": state, "round": settings.number, "rev": row.rev + 1}
            params["whole"] = state in states
            connection.execute(SQL["reopen_items"], params)
            counts[state] = connection.changes()
        total = sum(counts.values())
        if total:
            connection.execute(SQL["count_reopened"], {"batch": row.batch, "n": total, **counts})
            connection.execute(SQL["set_round"], (_text(settings), row.batch))
            connection.execute(SQL["add_event"], (row.batch, now_us, "round", _text(settings)))
    return total


def write_off(store: Store, row: BatchRow, now_us: int) -> int:
    """Count every unknown attempt's worst case as settled. Returns the amount."""
    with store.transaction() as connection:
        connection.execute(SQL["write_off_items"], {"batch": row.batch})
        connection.execute(SQL["write_off"], (row.batch,))
        connection.execute(SQL["write_off_totals"], (row.batch,))
        data = _text({"amount": row.unknown})
        connection.execute(SQL["add_event"], (row.batch, now_us, "written_off", data))
    return row.unknown


def wish(store: Store, batch: int, kind: str, data: dict[str, Any], who: str, now_us: int) -> int:
    """Ask something of the running batch; the runner answers in the same row. Returns the wish's id."""
    row = store.write("add_wish", (batch, now_us, kind, _text(data), who))
    assert row is not None
    return int(row[0])


def _lock_path(store: Store, batch_id: str, epoch: int) -> Path:
    return store.folder / "locks" / f"{store.path.stem}.{batch_id}.{epoch}.lock"


def _text(value: object) -> str:
    return _json(value).decode()

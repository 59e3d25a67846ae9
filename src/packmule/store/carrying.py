"""What a checkpoint is made of, and a checkpoint put into a store: ended items with their money, no call made.

Carried money stands in attempts like all other money, so that every sum stays true: an item's own on the item (call
-1, which no recipe asks), the rest of the batch's on one attempt of no item (seq -1). It begins there whole, and each
item takes its part away from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from packmule.core.group import new_counts
from packmule.core.rows import BatchRow, SavedRow
from packmule.core.states import BATCH, move
from packmule.errors import LeaseLost
from packmule.store.packing import pack, unpack
from packmule.store.sqlite import Store
from packmule.store.statements import SQL

PAGE = 500
NOBODY = -1
"""The seq of money that belongs to no item, and the number of a call that no recipe made."""
HALF = "takeover not finished"
"""Why a batch that is only half made from a checkpoint is no batch to go on with."""
_NULL = msgspec.Raw(b"null")
_MODEL = "(carried over)"


def saved_keys(store: Store, row: BatchRow) -> Iterator[tuple[str, str, str, int]]:
    """(key, state, reason, attempts) of items that had ended when `row` was read, in input order."""
    after = -1
    while page := store.read("saved_keys", (row.batch, after, row.rev, PAGE)):
        after = page[-1][0]
        yield from ((key, state, reason or "", attempts) for _, key, state, reason, attempts in page)


def saved_items(store: Store, row: BatchRow) -> Iterator[list[SavedRow]]:
    """Pages of items that had ended when `row` was read, with their outputs, in input order."""
    after = -1
    while page := store.read("saved_items", (row.batch, after, row.rev, PAGE)):
        after = page[-1][0]
        yield [_saved(columns) for columns in page]


def carried_from(store: Store, batch_id: str) -> str | None:
    """The batch that took over what a checkpoint of `batch_id` held, itself or by others; None when none did."""
    row = store.one("carried_from", (batch_id, HALF))
    return None if row is None else str(row[0])


def ancestors(store: Store, row: BatchRow) -> tuple[str, ...]:
    """The batches that this one was carried over from, the newest first."""
    found = store.one("carried_event", (row.batch,))
    return () if found is None else tuple(msgspec.json.decode(found[0])["before"])


def half_carried(store: Store, batch_id: str) -> list[int]:
    """What takeovers left behind that broke off before they were done."""
    return [batch for (batch,) in store.read("half_carried", (batch_id, HALF))]


def forget(store: Store, batch: int) -> None:
    """Remove a batch that is only half made: no call was made in it, and all it has is in its checkpoint still."""
    with store.transaction() as connection:
        for name in ("forget_items", "forget_attempts", "forget_events", "forget_totals", "forget_batch"):
            connection.execute(SQL[name], (batch,))


def carry_money(
    store: Store,
    row: BatchRow,
    epoch: int,
    money: tuple[int, int],
    tokens: tuple[int, int],
    before: tuple[str, ...],
    why: str,
    now_us: int,
) -> None:
    """Open a new batch's ledger with (settled, unknown) of the batches `before` it: no attempts of its own items.

    Nothing goes on with the batch until it is reopened: it is half made from here on.
    """
    settled, unknown = money
    spent = (row.batch, NOBODY, 0, 0, epoch, _MODEL, "answered", settled, settled, *tokens, None, why, now_us, 0)
    lost = (row.batch, NOBODY, 0, 1, epoch, _MODEL, "unknown", unknown, None, None, None, "died", why, now_us, 0)
    counts = {"settled": settled, "unknown": unknown, "tokens_in": tokens[0], "tokens_out": tokens[1]}
    with store.transaction() as connection:
        _count(connection, row, epoch, counts)
        connection.execute(SQL["set_state"], (move(BATCH, row.state, "cancel"), HALF, None, now_us, row.batch))
        connection.executemany(SQL["carry_attempt"], [spent, lost] if unknown else [spent])
        data = msgspec.json.encode({"reason": why, "before": before}).decode()
        connection.execute(SQL["add_event"], (row.batch, now_us, "carried_over", data))


def carry_items(
    store: Store, row: BatchRow, epoch: int, seqs: tuple[int, int], saved: Mapping[str, SavedRow], now_us: int
) -> int:
    """Give the items from seqs[0] up to before seqs[1] the ends that `saved` holds by key; how many."""
    found = [(seq, saved[key]) for seq, key in store.read("keys_between", (row.batch, *seqs)) if key in saved]
    if not found:
        return 0
    counts = {"pending": -len(found)}
    for _, item in found:
        counts[item.state] = counts.get(item.state, 0) + 1
    sums = [sum(getattr(item, name) for _, item in found) for name in ("cost", "tokens_in", "tokens_out")]
    counts["attempts"] = sum(_tries(item) for _, item in found)
    attempts = (attempt for seq, item in found for attempt in _attempts(row.batch, seq, epoch, item, now_us))
    with store.transaction() as connection:
        rev = _count(connection, row, epoch, counts)
        connection.executemany(SQL["end_item"], [_end(row.batch, seq, item, rev) for seq, item in found])
        connection.executemany(SQL["carry_attempt"], attempts)
        connection.execute(SQL["move_carried"], (*sums, row.batch))
    return len(found)


def note_checkpoint(store: Store, row: BatchRow, path: str, now_us: int) -> None:
    """Remember where a batch's checkpoint lies."""
    data = msgspec.json.encode({"detail": path}).decode()
    store.write("add_event", (row.batch, now_us, "checkpoint", data))


def noted_checkpoints(store: Store) -> list[tuple[str, str]]:
    """(batch id, path), the newest first."""
    return [(id_, msgspec.json.decode(data)["detail"]) for id_, data in store.read("checkpoint_events")]


def _saved(columns: tuple[Any, ...]) -> SavedRow:
    values: dict[str, Any] = dict(zip(SavedRow.__struct_fields__, columns, strict=True))
    values["output"] = _NULL if values["output"] is None else msgspec.Raw(unpack(values["output"]))
    return SavedRow(**values)


def _count(connection: Any, row: BatchRow, epoch: int, counts: dict[str, int]) -> int:  # noqa: ANN401 - apsw's
    params = {**new_counts(), "batch": row.batch, "epoch": epoch, **counts}
    found = connection.execute(SQL["rev_up"], params).fetchone()
    if found is None:
        message = "another runner took this batch over"
        raise LeaseLost(message)
    return int(found[0])


def _end(batch: int, seq: int, item: SavedRow, rev: int) -> tuple[Any, ...]:
    # An output may itself be null; what did not complete has none.
    output = pack(bytes(item.output)) if item.state == "completed" else None
    sums = (item.cost, item.tokens_in, item.tokens_out, _tries(item), item.latency_ms, item.model)
    return (item.state, output, item.reason, *sums, rev, batch, seq)


def _attempts(batch: int, seq: int, epoch: int, item: SavedRow, now_us: int) -> Iterator[tuple[Any, ...]]:
    """As many as it had: the first with all its money, the others for the count."""
    model = item.model or _MODEL
    money = (item.cost, item.cost, item.tokens_in, item.tokens_out)
    for nth in range(_tries(item)):
        head = (batch, seq, NOBODY, nth, epoch, model, "rejected" if nth else "answered")
        rest = (0, 0, 0, 0) if nth else money
        yield (*head, *rest, None, None, now_us, 0 if nth else item.latency_ms)


def _tries(item: SavedRow) -> int:
    """Its attempts; what cost something has one to stand on."""
    return max(item.attempts, 1 if item.cost or item.tokens_in or item.tokens_out else 0)

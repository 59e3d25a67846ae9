"""Reads of items and journals, page by page: nothing here holds a read transaction longer than a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from packmule.core.live import Live
from packmule.core.rows import (
    AttemptRow,
    BatchRow,
    CallRow,
    ChangedRow,
    FailedRow,
    ItemJournal,
    ItemRow,
    ResultRow,
    ShownRow,
    SliceRow,
    UnknownRow,
)
from packmule.store.packing import unpack
from packmule.store.sqlite import Store

PAGE = 1000
LATEST = 2**62
"""A rev after every other."""
_decode = msgspec.json.decode


def pending(
    store: Store, batch: int, *, begun: bool, after: int, limit: int, only: Sequence[int] | None = None
) -> list[ItemRow]:
    """Pending items in input order, after `after`; with `only`, those of these seqs."""
    if only is None:
        rows = store.read("pending_begun" if begun else "pending_fresh", (batch, after, limit))
    else:
        rows = store.read("pending_among", (batch, begun, after, _list(only), limit))
    return [ItemRow(seq, key, _decode(unpack(data)), bool(has), round_) for seq, key, data, has, round_ in rows]


def journal(store: Store, batch: int, seq: int) -> ItemJournal:
    """All that is known of one item."""
    calls = [CallRow(*row) for row in store.read("calls_of_item", (batch, seq))]
    attempts = [_attempt(row) for row in store.read("attempts_of_item", (batch, seq))]
    notes = store.read("notes_of_item", (batch, seq))
    return ItemJournal(calls, attempts, [(round_, name, _decode(value)) for round_, name, value in notes])


def requests(store: Store, batch: int, seq: int) -> list[tuple[int, str | None, bytes]]:
    """(number, label, canonical request) of an item's calls."""
    rows = store.read("requests_of_item", (batch, seq))
    return [(number, label, unpack(request)) for number, label, request in rows]


def results(store: Store, batch: int) -> Iterator[ResultRow]:
    """Every item in input order, unfinished ones with what they have cost so far."""
    after = -1
    while rows := store.read("results_page", (batch, after, PAGE)):
        after = rows[-1][0]
        for row in rows:
            yield _result(store, batch, row)


def changed(store: Store, batch: int, after_rev: int, limit: int = PAGE) -> list[ChangedRow]:
    """Items that changed after `after_rev`, oldest change first."""
    return [ChangedRow(*row) for row in store.read("changed_items", (batch, after_rev, limit))]


def unknown(store: Store, batch: int) -> list[UnknownRow]:
    """Attempts that may have been billed."""
    return [UnknownRow(*row) for row in store.read("unknown_attempts", (batch,))]


def endings(store: Store, batch: int) -> dict[tuple[str, str], int]:
    """How many attempts ended in each (state, kind of fault)."""
    return {(state, fault): count for state, fault, count in store.read("attempt_endings", (batch,))}


def largest_item(store: Store, batch: int) -> int:
    """The dearest finished item."""
    row = store.one("largest_item", (batch,))
    return int(row[0]) if row else 0


def never_begun(store: Store, batch: int) -> int:
    """Pending items that no attempt was made for."""
    row = store.one("count_never_begun", (batch,))
    return int(row[0]) if row else 0


def failures(store: Store, batch: int, limit: int = 5) -> list[tuple[str, int]]:
    """The commonest reasons why items failed."""
    return [(reason or "", int(count)) for reason, count in store.read("failure_reasons", (batch, limit))]


def failed(store: Store, batch: int, after: tuple[int, int], limit: int = PAGE) -> list[FailedRow]:
    """A page of failed and blocked items, in the order in which they ended; `after` is (rev, seq) of the last one."""
    return [FailedRow(*row) for row in store.read("failed_page", (batch, *after, limit))]


def retryable(store: Store, batch: int) -> dict[str, int]:
    """How many items of each state a new round could ask again."""
    return {state: int(count) for state, count in store.read("count_retryable", (batch,))}


def among(store: Store, batch: int, keys: Sequence[str]) -> list[tuple[int, str, str]]:
    """(seq, key, state) of the items with these keys."""
    return [(seq, key, state) for seq, key, state in store.read("items_of_keys", (batch, _list(keys)))]


def completed_sums(store: Store, batch: int) -> tuple[int, int, int, int]:
    """(how many, picodollars without what was written off, tokens in, tokens out) of the completed items."""
    count, cost, tokens_in, tokens_out = store.read("completed_sums", (batch,))[0]
    return int(count), int(cost), int(tokens_in), int(tokens_out)


def spread(store: Store, batch: int, count: int) -> list[int]:
    """At most `count` pending items: begun ones first, then from the shortest to the longest input in even steps."""
    begun = [seq for (seq,) in store.read("begun_seqs", (batch, count))]
    fresh = int(store.read("count_fresh", (batch,))[0][0])
    wanted = min(count - len(begun), fresh)
    places = [(2 * n + 1) * fresh // (2 * wanted) for n in range(wanted)]
    return sorted([*begun, *(seq for (seq,) in store.read("fresh_by_size", (batch, _list(places))))])


def ended(store: Store, batch: int, limit: int = PAGE) -> list[ShownRow]:
    """The first items that came to an end by being asked; their cost is without what was written off."""
    return [ShownRow(*row) for row in store.read("ended_items", (batch, limit))]


def output(store: Store, batch: int, seq: int) -> bytes | None:
    """An item's output as JSON."""
    row = store.one("output_of_item", (batch, seq))
    return None if row is None or row[0] is None else unpack(row[0])


def events(store: Store, batch: int, after: int = 0, limit: int = PAGE) -> list[tuple[int, int, str, dict[str, Any]]]:
    """(id, at, kind, data) of what happened, in order."""
    rows = store.read("events_after", (batch, after, limit))
    return [(id_, at, kind, _decode(data)) for id_, at, kind, data in rows]


def live(store: Store, batch: int) -> Live | None:
    """The runner's live row."""
    row = store.one("live_of", (batch,))
    return None if row is None else _live(row[1])


def live_of_kin(store: Store, row: BatchRow) -> Live | None:
    """The last live row of the newest other batch with this recipe and these models that was completed."""
    models = msgspec.json.encode(row.spec.models).decode()
    found = store.one("live_of_kin", {"batch": row.batch, "recipe": row.spec.recipe, "models": models})
    return None if found is None else _live(found[0])


def _live(data: str) -> Live | None:
    """None for one that another packmule wrote: it is only for the eyes, and the next one is written soon."""
    try:
        return _decode(data, type=Live)
    except msgspec.ValidationError:
        return None


def shown(
    store: Store, batch: int, which: Literal["first", "done", "failed"], limit: int, until_rev: int = LATEST
) -> list[ShownRow]:
    """Items for a table: the first in input order, or the newest that are completed, or failed and blocked.

    What changed after `until_rev` is shown as if it had not yet.
    """
    name = {"first": "first_items", "done": "newest_done", "failed": "newest_failed"}[which]
    return [ShownRow(*row) for row in store.read(name, (batch, limit, until_rev))]


def changed_slices(store: Store, batch: int, size: int, after_rev: int) -> list[int]:
    """Which slices of `size` items have items that changed after `after_rev`."""
    rows = store.read("changed_slices", {"batch": batch, "size": size, "after": after_rev})
    return [int(number) for (number,) in rows]


def slice_of(store: Store, batch: int, first: int, after: int) -> tuple[list[SliceRow], str | None]:
    """The items from seq `first` up to before `after`; and the provider's id of the last job that took one of them."""
    rows = [SliceRow(*row) for row in store.read("items_of_slice", (batch, first, after))]
    job = store.one("job_of_slice", (batch, first, after))
    outputs = (None if row.output is None else unpack(row.output) for row in rows)
    found = [replace(row, output=output) for row, output in zip(rows, outputs, strict=True)]
    return found, None if job is None else str(job[0])


def last_answer(store: Store, batch: int, seq: int) -> bytes | None:
    """The last answer of an item, as journaled; None where none came."""
    row = store.one("last_answer", (batch, seq))
    return None if row is None else unpack(row[0])


def sums(store: Store, batch: int) -> dict[str, int]:
    """The totals computed from the rows; tests compare them with the totals row."""
    items = store.one("sums_of_items", (batch,)) or ()
    attempts = store.one("sums_of_attempts", (batch,)) or ()
    names = ("total", "pending", "completed", "failed", "skipped", "blocked", "cancelled")
    money = ("settled", "unknown", "held", "tokens_in", "tokens_out", "attempts")
    return dict(zip(names, items, strict=True)) | dict(zip(money, attempts, strict=True))


def _attempt(row: tuple[Any, ...]) -> AttemptRow:
    values: dict[str, Any] = dict(zip(AttemptRow.__struct_fields__, row, strict=True))
    values["answer"] = None if values["answer"] is None else unpack(values["answer"])
    values["flagged"] = bool(values["flagged"])
    return AttemptRow(**values)


def _result(store: Store, batch: int, row: tuple[Any, ...]) -> ResultRow:
    seq, key, state, output, reason, cost, tokens_in, tokens_out, attempts, latency_ms, model, begun = row
    if state == "pending" and begun:
        found = store.read("item_sums", (batch, seq))[0]
        cost, tokens_in, tokens_out, attempts, latency_ms, model = (*(value or 0 for value in found[:5]), found[5])
    raw = None if output is None else msgspec.Raw(unpack(output))
    return ResultRow(seq, key, state, raw, reason, cost, tokens_in, tokens_out, attempts, latency_ms, model)


def _list(values: Sequence[int] | Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()

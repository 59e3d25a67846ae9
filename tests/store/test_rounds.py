"""Failed items page by page, and rounds over chosen ones, with many of both."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from packmule.core.batch import Plan, Round, SourceMark, Spec
from packmule.core.items import SourceItem
from packmule.core.rows import BatchRow
from packmule.store import Store, batches, reads
from packmule.views.causes import Causes

MANY = 20_000


@pytest.fixture
def failed(tmp_path: Path) -> tuple[Store, BatchRow]:
    """A batch whose even items failed and whose odd ones are completed."""
    store = Store(tmp_path / "store.db")
    row = batches.create(store, "batch-a", Plan(Spec(recipe="t"), SourceMark("s", "0", 0)), "test", 0)
    batches.add_items(store, row.batch, 0, [(f"k{n}", SourceItem(f"k{n}", {"n": n})) for n in range(MANY)])
    with store.transaction() as connection:
        connection.execute(
            "UPDATE items SET rev = 1 + seq / 7, state = CASE WHEN seq % 2 THEN 'completed' ELSE 'failed' END,"
            " reason = 'no answer within ' || seq || ' s', cost = 3"
        )
        connection.execute("UPDATE totals SET rev = ?1, pending = 0, completed = ?1 / 2, failed = ?1 / 2", (MANY,))
    return store, batches.reload(store, row.batch)


def test_every_failed_item_is_seen_once_whatever_the_page(failed: tuple[Store, BatchRow]) -> None:
    store, row = failed
    causes, seen = Causes(), []
    while page := reads.failed(store, row.batch, causes.after, 997):
        causes.add(page)
        seen += [item.seq for item in page]
    assert sorted(seen) == list(range(0, MANY, 2))
    (only,) = causes.groups
    assert (only.count, only.cost) == (MANY // 2, 3 * MANY // 2)


def test_pages_of_failed_items_are_found_by_their_index(failed: tuple[Store, BatchRow]) -> None:
    store, _ = failed
    with store.transaction() as connection:
        from packmule.store.statements import SQL

        plan = " ".join(
            str(line[3])
            for line in connection.execute(f"EXPLAIN QUERY PLAN {SQL['failed_page']}", (1, -1, -1, 10)).fetchall()
        )
    assert "items_failed" in plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan.split("CORRELATED")[0]


def test_a_round_over_chosen_items_leaves_the_others(failed: tuple[Store, BatchRow]) -> None:
    store, row = failed
    chosen = array("q", range(0, MANY, 4))
    assert batches.open_round(store, row, Round(1), (), 0, chosen) == MANY // 4
    after = batches.reload(store, row.batch)
    assert (after.pending, after.failed, after.completed) == (MANY // 4, MANY // 4, MANY // 2)
    assert reads.sums(store, row.batch)["pending"] == MANY // 4
    pending = reads.pending(store, row.batch, begun=True, after=-1, limit=MANY)
    assert [item.seq for item in pending] == list(chosen)


def test_what_cannot_be_asked_again_is_not_even_when_it_is_chosen(failed: tuple[Store, BatchRow]) -> None:
    store, row = failed
    assert batches.open_round(store, row, Round(1), (), 0, [1, 3, 5]) == 0
    assert batches.reload(store, row.batch).round.number == 0
    assert batches.open_round(store, row, Round(1), ("failed",), 0, [0, 1]) == MANY // 2


def test_items_that_stand_for_all_are_spread_from_short_to_long(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    row = batches.create(store, "batch-a", Plan(Spec(recipe="t"), SourceMark("s", "0", 0)), "test", 0)
    texts = ["x" * (n * 37 % 100) for n in range(100)]
    batches.add_items(store, row.batch, 0, [(str(n), SourceItem(None, {"t": text})) for n, text in enumerate(texts)])
    picked = reads.spread(store, row.batch, 10)
    assert sorted(len(texts[seq]) for seq in picked) == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert reads.spread(store, row.batch, 1000) == list(range(100))
    assert reads.spread(store, row.batch, 0) == []

"""What a pilot says of the rest."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from packmule.core.batch import Limits, Round, SourceMark, Spec
from packmule.core.rows import BatchRow, ShownRow
from packmule.views.pilot import measure

ROW = BatchRow(
    batch=1,
    id="batch-a",
    identity="",
    spec_digest="",
    spec=Spec(recipe="t"),
    limits=Limits(),
    source=SourceMark("s", "0", 0),
    round=Round(),
    command="",
    ingested=True,
    ingest_notes={},
    out_dir=str(Path()),
    created_at=0,
    epoch=1,
    rev=1,
    state="stopped",
    reason="pilot",
    cap=None,
    total=100,
    pending=90,
    completed=9,
    failed=1,
    skipped=0,
    blocked=0,
    cancelled=0,
    settled=0,
    unknown=0,
    held=0,
    tokens_in=0,
    tokens_out=0,
    attempts=10,
    started_at=0,
    ended_at=0,
)


def ended(costs: list[int]) -> list[ShownRow]:
    return [ShownRow(n, f"a{n}", "completed", None, 1000 * (n + 1), cost) for n, cost in enumerate(costs)]


def test_nothing_ended_says_nothing() -> None:
    assert measure(ROW, []) is None


def test_items_that_cost_the_same_leave_no_range() -> None:
    found = measure(replace(ROW, settled=100), ended([10] * 10))
    assert found is not None
    assert (found.per_item, found.rest, found.low, found.likely, found.high) == (10, 900, 1000, 1000, 1000)
    assert (found.p50_s, found.p95_s) == (6.0, 10.0)


def test_failed_items_count_with_what_they_cost() -> None:
    failed = ShownRow(9, "a9", "failed", "no", 1000, 0)
    found = measure(replace(ROW, settled=90), [*ended([10] * 9), failed])
    assert found is not None
    assert (found.failed, found.per_item, found.rest) == (1, 9, 810)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.integers(0, 10**6))
def test_the_range_holds_the_likely_total_and_never_undoes_what_is_spent(costs: list[int], left: int) -> None:
    row = replace(ROW, settled=sum(costs), pending=left)
    found = measure(row, ended(costs))
    assert found is not None
    assert row.settled <= found.low <= found.likely <= found.high

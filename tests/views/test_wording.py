"""Figures as words: never rounded in anybody's favour, and true of what they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.batch import Limits, cap_words
from packmule.views.progress import Line, Progress, Waits
from packmule.views.projection import Projection
from packmule.views.wording import block, money, pace, status

PICO = 10**12


def progress(**given: Any) -> Progress:
    """A batch of 100 items, 20 of them done."""
    known: dict[str, Any] = {
        "batch_id": "batch-a", "state": "running", "label": "running", "reason": "", "total": 100, "completed": 20,
        "failed": 0, "skipped": 0, "blocked": 0, "cancelled": 0, "pending": 80, "in_flight": 0, "settled": 0,
        "unknown": 0, "held": 0, "cap": None, "tokens_in": 0, "tokens_out": 0, "width": 8, "concurrency": 8,
    }  # fmt: skip
    return Progress(**{**known, **given})


def dollars(text: str) -> float:
    return float(text.removeprefix("<").removeprefix("$"))


@given(st.integers(1, 3 * PICO), st.integers(0, 2 * PICO), st.integers(0, 2 * PICO))
def test_spent_is_never_less_than_it_is_and_left_never_more(cap: int, settled: int, rest: int) -> None:
    likely = settled + rest
    said = money(progress(cap=cap, settled=settled, projection=Projection(1, likely, likely, likely)))
    assert dollars(said[0].split()[1]) >= settled / PICO - 1e-13
    *_, last = said
    if cap >= likely and not last.startswith("<"):
        assert last.endswith(" left after")
        assert dollars(last.split()[0]) <= (cap - likely) / PICO + 1e-13


def test_a_range_is_as_wide_as_it_is_at_the_least() -> None:
    seen = Projection(PICO, 1_239 * PICO // 1000, 13 * PICO // 10, 1_381 * PICO // 1000)
    assert "in all $1.23-$1.39" in money(progress(projection=seen))


def test_more_calls_on_their_way_than_the_width_is_now() -> None:
    assert pace(progress(in_flight=3, width=1, concurrency=1)) == ["3 calls busy, width 1 now"]
    assert pace(progress(in_flight=3, width=4)) == ["3 of 8 calls busy, width 4 now"]
    assert pace(progress(in_flight=3)) == ["3 of 8 calls busy"]


def test_the_share_is_of_what_was_to_be_done() -> None:
    filtered = progress(state="completed", label="completed", pending=0, skipped=90, completed=10)
    assert block(filtered).splitlines()[0] == "Processing: 10/10 items (100.0%)"
    assert "Skipped: 90 items" in block(filtered)
    begun = progress(skipped=90, completed=0, pending=10)
    assert block(begun).splitlines()[0] == "Processing: 0/10 items (0.0%)"
    cancelled = progress(state="cancelled", label="cancelled", pending=0, cancelled=80)
    assert block(cancelled).splitlines()[0] == "Processing: 20/100 items (20.0%)"
    assert "Cancelled: 80 items" in block(cancelled)


def test_the_share_is_100_only_when_all_is_done() -> None:
    almost = progress(total=10_000, completed=9_999, pending=1)
    assert "(99.9%)" in block(almost)


def test_a_budget_that_warns_is_never_called_a_cap() -> None:
    warns = progress(
        cap=PICO, cap_stops=False, settled=2 * PICO, projection=Projection(1, 3 * PICO, 3 * PICO, 3 * PICO)
    )
    said = " ".join([*money(warns), block(warns)])
    assert "cap" not in said
    assert "limit" not in said
    assert "$2.00 more than the budget" in said
    assert "200.0% of budget, which only warns" in said
    assert cap_words(Limits(max_cost=PICO, on_budget="warn")) == "budget $1.00 (which only warns)"
    assert cap_words(Limits(max_cost=PICO)) == "cap $1.00"


def test_a_cap_is_said_as_it_was_stated() -> None:
    assert money(progress(cap=PICO * 123 // 1000))[0] == "spent $0.00 of $0.123 cap"


@pytest.mark.parametrize(
    ("reason", "wait_s", "says"),
    [
        ("retry 2/3: server error", 6.2, "retry 2/3 in 6s: server error"),
        ("retry 2/3: server error", 0.3, "retry 2/3 in 1s: server error"),
        ("retry 2/3: server error", 0.0, "retry 2/3 due: server error"),
        ("waits: rate limit", 0.3, "waits 1s: rate limit"),
        ("waits: rate limit", 0.0, "waits: rate limit"),
        ("asked again: no total", 0.0, "asked again: no total"),
    ],
)
def test_nothing_waits_for_zero_seconds(reason: str, wait_s: float, says: str) -> None:
    assert status(Line(1, "a", "retrying", reason, 1.0, wait_s)) == says


def test_a_model_is_not_waited_for_zero_seconds_either() -> None:
    assert pace(progress(waits=(Waits("m", 0.2, "rate limit"),)))[-1] == "waits 1s: rate limit"

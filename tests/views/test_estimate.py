"""Estimates: three figures in order, and a high one that the ledger agrees with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import Bounds
from packmule.core.money import flat, worst_case
from packmule.views.estimate import Calls, Sample, estimate, take_sample

PRICE = flat(250_000, 2_000_000, "test")


def test_skipped_rows_are_not_counted_and_the_first_that_is_sent_is_shown() -> None:
    assert take_sample([None, "ab", None, "cd\n"]) == Sample(items=2, chars=5, size=6, first_prompt="ab")


def test_high_is_what_the_ledger_holds_for_every_call_that_may_be_made() -> None:
    sample = take_sample(["x" * 100])
    guess = estimate(sample, PRICE, Bounds(712, 500), 0, Calls(1, 3))
    assert guess.high == 3 * worst_case(PRICE, Bounds(712, 500))


@given(
    st.lists(st.text(max_size=300), max_size=20),
    st.integers(1, 5000),
    st.integers(0, 500),
    st.integers(1, 5),
    st.integers(0, 4),
)
def test_low_likely_high_never_cross(prompts: list[str], out: int, extra: int, calls: int, more: int) -> None:
    sample = take_sample(prompts)
    bounds = Bounds(len(sample.first_prompt.encode()) * 6 + extra + 512, out)
    guess = estimate(sample, PRICE, bounds, extra, Calls(calls, calls + more))
    assert 0 <= guess.low <= guess.likely <= guess.high
    assert (guess.high > 0) == bool(prompts)

"""The ledger against a plain model, and money that is exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from packmule.core.calls import Bounds, Usage
from packmule.core.ledger import ItemMoney, Ledger, need_of
from packmule.core.money import FREE, Price, cost_of, flat, per_token, pico_from_usd, usd, usd_short, worst_case

AMOUNTS = st.integers(0, 10**9)


class Books(RuleBasedStateMachine):
    """Holds, settles, loses and releases in any order; a plain list is the model."""

    @initialize(cap=st.integers(0, 10**10))
    def begin(self, cap: int) -> None:
        self.ledger = Ledger(cap)
        self.holds: list[int] = []
        self.settled = self.unknown = 0

    @rule(worst=AMOUNTS)
    def hold(self, worst: int) -> None:
        room = self.ledger.cap - self.settled - self.unknown - sum(self.holds)  # type: ignore[operator]
        assert self.ledger.admits(worst) == (worst <= room)
        if self.ledger.admits(worst):
            self.ledger.hold(worst)
            self.holds.append(worst)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), how=st.sampled_from(["settle", "lose", "release"]))
    def end(self, data: st.DataObject, how: str) -> None:
        worst = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        if how == "settle":
            cost = data.draw(st.integers(0, worst))
            assert self.ledger.settle(worst, cost)
            self.settled += cost
        elif how == "lose":
            self.ledger.lose(worst)
            self.unknown += worst
        else:
            self.ledger.release(worst)

    @invariant()
    def the_cap_holds_and_the_books_agree(self) -> None:
        ledger = self.ledger
        assert (ledger.settled, ledger.unknown, ledger.held) == (self.settled, self.unknown, sum(self.holds))
        assert ledger.committed <= (ledger.cap or 0)
        assert ledger.left == (ledger.cap or 0) - ledger.committed


TestBooks = Books.TestCase


def test_more_than_the_hold_is_recorded_and_reported() -> None:
    ledger = Ledger(100)
    ledger.hold(10)
    assert not ledger.settle(10, 500)
    assert ledger.settled == 500
    assert not ledger.admits(1)


def test_without_a_cap_or_with_a_warning_everything_is_admitted() -> None:
    assert Ledger(None).admits(10**30)
    assert Ledger(1, stops=False).admits_item(10**30)
    assert Ledger(1, stops=False).left is None


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_new_item_leaves_room_for_what_is_begun(cap: int, settled: int, promised: int, need: int) -> None:
    ledger = Ledger(cap, settled=settled, promised=promised)
    assert ledger.admits_item(need) == (settled + promised + need <= cap)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_what_an_item_may_still_need_counts_its_holds_once(need: int, spent: int, held: int) -> None:
    money = ItemMoney(need, spent, held)
    assert money.remaining >= held
    assert money.remaining >= need - spent
    assert money.would_pass(1, None) is False
    assert money.would_pass(5, spent + held + 4) is True
    assert money.would_pass(5, spent + held + 5) is False


def test_need_is_what_was_declared_else_what_the_largest_took() -> None:
    assert need_of(7, 3, 10**9) == 21
    assert need_of(7, None, 100) == 100
    assert need_of(700, None, 100) == 700


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_usage_within_its_bounds_costs_more_than_the_worst_case(into: int, out: int, a: int, b: int) -> None:
    price = Price(
        ((0, a), (1000, a * 2)), ((0, b), (1000, b + 5)), "t", cached=((0, a // 2),), cache_write=((0, a + 3),)
    )
    worst = worst_case(price, Bounds(into, out))
    for cached, written in ((0, 0), (into, 0), (0, into), (into // 2, into // 3)):
        assert cost_of(price, Usage(into, out, cached, written)) <= worst


def test_tiers_apply_from_where_they_start() -> None:
    tiers = ((0, 5), (100, 9))
    assert [per_token(tiers, n) for n in (0, 99, 100, 10**6)] == [5, 5, 9, 9]


@given(st.integers(0, 10**24))
def test_dollars_are_exact_both_ways(pico: int) -> None:
    text = usd(pico)
    assert Decimal(text) * 10**12 == pico
    assert pico_from_usd(text) == pico
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize("text", ["", "much", "nan", "inf", "1e", "--1"])
def test_what_is_no_amount_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount of dollars"):
        pico_from_usd(text)


def test_nothing_that_is_not_zero_is_shown_as_zero() -> None:
    assert [usd_short(n) for n in (0, 1, 10**8, 10**11, 2 * 10**12)] == [
        "$0.00",
        "<$0.0001",
        "$0.0001",
        "$0.10",
        "$2.00",
    ]
    assert FREE.free
    assert not flat(1, 0, "x").free


def test_an_item_gone_on_with_needs_only_what_is_left_of_it() -> None:
    fresh = ItemMoney()
    assert fresh.expect(7, 3, 0) == 21
    one_call_left = ItemMoney(spent=4, before=4)
    assert one_call_left.expect(7, 1, 0) - one_call_left.spent == 7
    undeclared = ItemMoney(spent=4, before=4)
    assert undeclared.expect(7, None, 15) - undeclared.spent == 11
    assert undeclared.expect(7, None, 5) - undeclared.spent == 7


def test_an_item_that_asks_more_than_it_declared_is_expected_to_need_the_next_call_too() -> None:
    assert ItemMoney(need=21, spent=21).expect(7, 3, 0) == 28
    assert ItemMoney(need=21, spent=14, held=7).expect(7, 3, 0) == 28

"""Failures folded into causes: stable names, alike reasons together, bounded memory, a verdict for each."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import FaultKind
from packmule.core.rows import FailedRow
from packmule.views.causes import GROUPS_MAX, OTHER, REASON_MAX, SAMPLES, VERDICTS, Causes, folded, name_of


def row(
    seq: int = 0,
    reason: str | None = "no answer",
    kind: str | None = "timeout",
    *,
    state: str = "failed",
    asked: bool = True,
    cost: int = 0,
    unknown: int = 0,
) -> FailedRow:
    return FailedRow(1, seq, f"a{seq}", state, reason, cost, unknown, kind, asked)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no answer within 5 s", "no answer within 12.5 s"),
        ("total: found the string 'ab'", "total: found the string 'x y z'"),
        ("items[2].price is missing", "items[17].price is missing"),
        ('model "m" is gone', 'model "n" is gone'),
        ("see request req_011CSabcdef99", "see request req_92XYabcdefghi1"),
        ("two  spaces", "two\nspaces"),
    ],
)
def test_alike_reasons_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("total is missing", "name is missing"),
        ("the provider's filter", "the provider's limit"),
        ("it failed inside", "it is overloaded"),
    ],
)
def test_different_reasons_stay_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    ("failed", "name"),
    [
        (row(kind="timeout"), "timeout"),
        (row(kind="schema"), "schema"),
        (row(kind=None, state="blocked", reason="item cap $0.01: ..."), "item_cap"),
        (row(kind=None, reason="the recipe raised ValueError: no"), "recipe"),
        (row(kind=None, reason="the recipe raised ValueError: no", asked=False), "recipe"),
        (row(kind=None, reason="the prompt is empty", asked=False), "input"),
        (row(kind=None, reason=None, asked=True), "recipe"),
    ],
)
def test_a_cause_is_named_after_what_kept_the_item_from_its_end(failed: FailedRow, name: str) -> None:
    assert name_of(failed) == name


def test_every_fault_has_a_verdict() -> None:
    assert set(get_args(FaultKind)) <= set(VERDICTS)
    for verdict in VERDICTS.values():
        begins = {"yes": "A retry can help", "change": "A retry helps only", "no": "A retry does not help"}
        assert verdict.sentence.startswith(begins[verdict.helps])
        assert verdict.sentence.endswith(".")


def test_counts_and_money_add_up_and_the_commonest_comes_first() -> None:
    causes = Causes()
    causes.add([row(0, kind="schema", reason="x", cost=5)])
    causes.add([row(n, cost=1, unknown=10, reason=f"no answer within {n} s") for n in range(1, 8)])
    first, second = causes.groups
    assert (first.name, first.count, first.cost, first.unknown) == ("timeout", 7, 7, 70)
    assert first.samples == [(f"a{n}", f"no answer within {n} s") for n in (1, 2, 3)]
    assert first.shown == "no answer within # s"
    assert (second.name, second.count, second.shown) == ("schema", 1, "x")
    assert causes.after == (1, 7)
    assert causes.names == {"timeout": 7, "schema": 1}


def test_a_hundred_thousand_reasons_take_bounded_room() -> None:
    causes = Causes()
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}" for n in range(17_576)]
    for page in range(6):
        causes.add(row(page * 17_576 + n, f"{word} went wrong") for n, word in enumerate(words))
    groups = causes.groups
    assert len(groups) == GROUPS_MAX + 1
    assert sum(cause.count for cause in groups) == 6 * 17_576
    assert groups[0].reason == OTHER == groups[0].shown


@given(st.lists(st.text(max_size=300), max_size=30))
def test_any_reason_is_folded_to_one_bounded_line(reasons: list[str]) -> None:
    causes = Causes()
    causes.add(row(n, reason) for n, reason in enumerate(reasons))
    assert sum(cause.count for cause in causes.groups) == len(reasons)
    for cause in causes.groups:
        assert len(cause.reason) <= REASON_MAX
        assert len(cause.reason.splitlines()) <= 1
        assert len(cause.samples) <= SAMPLES
        assert not any(c in "0123456789" for c in cause.reason)

"""Bounds of what is asked: one sentence, whichever face was given the figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from packmule.config import Order, check_order, dashed
from packmule.core.asking import check_settings
from packmule.errors import UsageError


@pytest.mark.parametrize(
    ("tokens", "temperature", "says"),
    [
        (0, None, "max_output_tokens 0 is too small"),
        (True, None, "max_output_tokens must be a whole number, not True"),
        (10**400, None, "is too large"),
        (None, -1, "temperature -1 is too small"),
        (None, float("nan"), "temperature nan is not a finite number"),
        (None, "hot", "temperature must be a number, not 'hot'"),
    ],
)
def test_an_order_and_an_ask_refuse_a_setting_in_the_same_words(tokens: int, temperature: float, says: str) -> None:
    with pytest.raises(UsageError) as asked:
        check_settings(tokens, temperature)
    order = Order(Path("rows.csv"), max_output_tokens=tokens, temperature=temperature, spell=lambda name: name)
    with pytest.raises(UsageError) as ordered:
        check_order(order)
    assert says in asked.value.message
    assert (asked.value.message, asked.value.hint) == (ordered.value.message, ordered.value.hint)


def test_a_setting_is_spelt_as_it_was_typed() -> None:
    with pytest.raises(UsageError, match=r"^--max-output-tokens 0 is too small"):
        check_settings(0, None, dashed)

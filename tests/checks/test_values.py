"""A value is supported by a quote that says it, in whatever format, and by no part of something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.checks.values import places, supports


@pytest.mark.parametrize(
    ("value", "quote"),
    [
        (292585.40, "Total: 292,585.40 USD"),
        (292585.40, "Summe 292.585,40 €"),
        (292585.40, "292 585,40 kr"),
        (292585.40, "292'585.40"),
        (292585.4, "292585.40"),
        (29258540, "2,92,58,540 rupees"),
        (1250, "Total1,250.00EUR"),
        (1250.0, "$1.250"),
        (1.25, "1,250 kg"),
        (0.08, "tax 8 %"),
        (8, "tax 8%"),
        (-5.5, "discount (5.50)"),
        (-5.5, "discount -5.50"),
        (2_400_000, "about 2.4 million"),
        (5, "Widget 5 250.00 1,250.00"),
        (5, "5x Widget"),
        (0, "VAT: 0.00"),
        ("2024-01-20", "on 20 January 2024"),
        ("2024-01-20", "Jan. 20th, 2024"),
        ("2024-01-20", "20. Januar 2024"),
        ("2024-01-20", "01/20/2024"),
        ("2024-01-20", "20.01.24"),
        ("2024-01-20", "2024年1月20日"),
        ("2024-03-04", "03/04/2024"),
        ("2024-04-03", "03/04/2024"),
        ("20 January 2024", "Date: 2024-01-20"),
        ("2024-01-20T10:30:00Z", "20 Jan 2024, 10:30"),
        ("Acme Corp.", "ACME\nCORP"),
        ("12 Main St, Springfield", "12 Main St\nSpringfield"),
        ("INV-001", "Invoice INV–001"),
        ("292585.40", "292,585.40"),
        ("007", "agent 007"),
        ("€", "in € only"),
        ("℃", "at 5 ℃"),
        ("Sp. z o.o.", "Firma: Sp. z o.o."),
        (True, "Express: yes"),
        (False, "not wanted"),
    ],
)
def test_a_quote_that_says_the_value_supports_it(value: object, quote: str) -> None:
    assert supports(value, quote)


@pytest.mark.parametrize(
    ("value", "quote"),
    [
        (1, "in 2021"),
        (1, "INV-1"),
        (1, "1,250.00"),
        (1, "B1 or 1B"),
        (20, "2024-01-20"),
        (12.5, "12.50.3"),
        (250.0, "1,250.00"),
        (1999.0, "Total due: 1,250.00"),
        (-5.5, "5.50"),
        (125, "12.5"),
        ("2024-03-04", "03.04.2024"),
        ("2024-01-21", "20 January 2024"),
        ("2024-01-20T10:30:00Z", "20 Jan 2024, 10:31"),
        ("art", "the party"),
        ("1", "2021"),
        ("1", "1,250.00"),
        ("12.50", "1,250"),
        ("Acme", "Acmeson"),
        ("", "anything"),
        (None, "null"),
        (True, " -- "),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_quote_that_says_something_else_supports_nothing(value: object, quote: str) -> None:
    assert not supports(value, quote)


@given(st.one_of(st.integers(), st.floats(), st.text(max_size=30)), st.text(max_size=120))
def test_no_text_confuses_the_search(value: object, text: str) -> None:
    for start, end in places(value, text):
        assert 0 <= start < end <= len(text)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_an_amount_is_found_in_english_and_in_german(amount: object) -> None:
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert supports(float(amount), f"Total: {english} EUR")  # type: ignore[arg-type]
    assert supports(float(amount), f"Summe: {german} EUR")  # type: ignore[arg-type]

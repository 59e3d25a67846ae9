"""Quotes are found where they stand, and what is found is the document's own text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.checks.quotes import Searched, locate


def texts(quote: str, document: str) -> list[tuple[str, str]]:
    return [(document[p.start : p.end], p.match) for p in locate(quote, Searched(document))]


@pytest.mark.parametrize(
    ("quote", "document", "found"),
    [
        ("Acme Corp", "From Acme Corp, Berlin", [("Acme Corp", "exact")]),
        ("Total: 10", "Total: 100\nTotal: 10\n", [("Total: 10", "exact")]),
        ("Total due 5", "Total   due\n\t5 now", [("Total   due\n\t5", "normalised")]),
        ("information", "the infor-\nmation is", [("infor-\nmation", "normalised")]),
        ("well-known firm", "a well-\nknown firm", [("well-\nknown firm", "normalised")]),
        ("INV-001", "no. INV–\n001, paid", [("INV–\n001", "normalised")]),
        ('the "big" one', "the “big” one", [("the “big” one", "normalised")]),
        ("office", "the oﬃce door", [("oﬃce", "normalised")]),
        ("STRASSE 5", "Straße 5", [("Straße 5", "normalised")]),
        ("Café", "Cafe\u0301 au lait", [("Cafe\u0301", "normalised")]),
        ("Total 1,250.00", "Total1,250.00EUR", [("Total1,250.00", "normalised")]),
        ("Total ... 1,250.00", "Total due today: 1,250.00 EUR", [("Total due today: 1,250.00", "normalised")]),
        ("東京商事", "株式会社東京商事御中", [("東京商事", "exact")]),
        ("50", "150 and 5000 and 1,50 and 50.5", []),
        ("art", "the party", []),
        ("", "anything", []),
        ("—", "", []),
    ],
)
def test_a_quote_is_found_as_whole_words_whatever_its_form(
    quote: str, document: str, found: list[tuple[str, str]]
) -> None:
    assert texts(quote, document) == found


def test_a_quote_with_a_slip_is_found_nearly_and_says_how_nearly() -> None:
    document = "Intro.\nThe delivery arrives on Tuesday at the north gate.\nEnd."
    (place,) = locate("The delivry arrives on Tuesday at north gate", Searched(document))
    assert place.match == "fuzzy"
    assert 0.85 <= place.score < 1
    assert document[place.start : place.end].startswith("The delivery arrives")


def test_a_made_up_quote_is_found_nowhere() -> None:
    document = "Invoice 7 of Acme Corp. Total due: 1,250.00 EUR by the end of May." * 20
    assert locate("The warranty covers water damage for two years", Searched(document)) == []


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_place_lies_within_the_document(quote: str, document: str) -> None:
    for place in locate(quote, Searched(document)):
        assert 0 <= place.start < place.end <= len(document)


@given(st.text(min_size=1, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_what_stands_between_line_ends_is_found_there(quote: str, before: str, after: str) -> None:
    document = f"{before}\n{quote}\n{after}"
    if quote.strip():
        found = [document[place.start : place.end] for place in locate(quote, Searched(document))]
        assert quote.strip() in found

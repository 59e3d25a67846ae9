"""Every citation is the document's own text, and what has none is listed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from packmule.checks.citations import Document, cite, dotted

PAGE_1 = "ACME Übersee GmbH – Invoice INV-7\nSubtotal: 1.250,00 €\nShipping 1 parcel in 2021\n"
PAGE_2 = "Widget   2   625,00   1.250,00\nTotal amount: 1.250,00 €\nExpress delivery: yes\n"
INVOICE = Document(PAGE_1 + PAGE_2, "inv.pdf", (0, len(PAGE_1)))


def cited(values: object, *evidence: tuple[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    found = cite(values, evidence, INVOICE)
    for citation in (citation for several in found.citations.values() for citation in several):
        assert INVOICE.text[citation.start : citation.end] == citation.text
    return {path: [one.text for one in several] for path, several in found.citations.items()}, found.unsupported


def test_a_value_is_cited_where_it_stands_in_its_quote() -> None:
    found = cite(
        {"total_amount": 1250.0, "items": [{"quantity": 2}]},
        [("total_amount", "Total amount: 1.250,00 €"), ("items[0].quantity", "Widget 2 625,00 1.250,00")],
        INVOICE,
    )
    (total,), (quantity,) = found.citations["total_amount"], found.citations["items.0.quantity"]
    assert (total.text, total.page, total.document, total.match, total.score) == ("1.250,00", 2, "inv.pdf", "exact", 1)
    assert (quantity.text, quantity.page, quantity.match) == ("2", 2, "normalised")
    assert found.unsupported == []


def test_a_bare_value_as_quote_is_cited_where_its_name_stands() -> None:
    both = cite(
        {"total_amount": 1250.0, "subtotal": 1250.0}, [("total_amount", "1.250,00"), ("subtotal", "1.250,00")], INVOICE
    )
    (total,), (subtotal,) = both.citations["total_amount"], both.citations["subtotal"]
    assert INVOICE.text[: total.start].endswith("Total amount: ")
    assert INVOICE.text[: subtotal.start].endswith("Subtotal: ")


def test_equal_values_of_one_row_have_places_of_their_own() -> None:
    document = Document("Lamp  1  99.94  99.94\nLamp  1  99.94  99.94\n")
    rows = [{"price": 99.94, "total": 99.94}] * 2
    found = cite(rows, [("0", "Lamp  1  99.94  99.94"), ("1", "Lamp  1  99.94  99.94")], document)
    assert len({(one.start, one.end) for (one,) in found.citations.values()}) == 4


def test_a_value_that_its_quote_does_not_say_is_unsupported() -> None:
    assert cited({"total": 1999.0}, ("total", "Total amount: 1.999,00 €")) == ({"total": []}, ["total"])
    assert cited({"number": "INV-8"}, ("number", "ACME Übersee GmbH – Invoice INV-8")) == ({"number": []}, ["number"])
    assert cited({"parcels": 2021}, ("parcels", "nothing of the kind here")) == ({"parcels": []}, ["parcels"])


def test_a_truth_value_and_a_small_number_need_a_quote() -> None:
    values = {"express": True, "parcels": 1}
    assert cited(values)[1] == ["express", "parcels"]
    found, unsupported = cited(values, ("express", "Express delivery: yes"), ("parcels", "Shipping 1 parcel in 2021"))
    assert found == {"express": ["Express delivery: yes"], "parcels": ["1"]}
    assert unsupported == []


def test_what_claims_nothing_is_not_unsupported() -> None:
    assert cited({"tax": None, "tags": [], "note": "", "more": {}}) == (
        {"tax": [], "tags": [], "note": [], "more": []},
        [],
    )


def test_a_quote_for_an_object_serves_all_its_values_unless_they_have_their_own() -> None:
    values = {"items": [{"description": "Widget", "quantity": 2, "total": 1250.0}]}
    row = ("items.0", "Widget 2 625,00 1.250,00")
    found, unsupported = cited(values, row, ("items.0.quantity", "there are two of them"))
    assert found == {"items.0.description": ["Widget"], "items.0.quantity": [], "items.0.total": ["1.250,00"]}
    assert unsupported == ["items.0.quantity"]


def test_paths_are_understood_as_models_write_them() -> None:
    spelt = ["items.0.total", "items[0].total", "$.items[0].total", "/items/0/total", "values.items.0.total"]
    assert {dotted(path) for path in spelt} == {"items.0.total"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(_json, st.lists(st.tuples(st.text(max_size=8), st.text(max_size=30)), max_size=5), st.text(max_size=300))
def test_no_answer_and_no_document_breaks_it_and_every_citation_is_true(
    values: object, evidence: list[tuple[str, str]], text: str
) -> None:
    found = cite(values, evidence, Document(text))
    for several in found.citations.values():
        for citation in several:
            assert text[citation.start : citation.end] == citation.text != ""

"""What the box makes of a document: its words, its tables, and quotes for what it found there."""

from __future__ import annotations

import zlib
from base64 import b64encode

from packmule.sim.fields import numbers_in
from packmule.sim.pdf import document_words, pdf_text
from packmule.sim.quoting import quotes
from packmule.sim.tables import rows
from tests import documents


def test_the_words_of_a_simple_pdf_are_read_line_by_line() -> None:
    lines = [[(60, "Name (short): Ünïcode"), (300, "Żółw")], [], [(60, r"back\slash")]]
    assert pdf_text(documents.make.pdf(lines)) == "Name (short): Ünïcode  Żółw\nback\\slash"
    packed = documents.drawing(
        zlib.compress(b"BT /F1 9 Tf 60 700 Td [(Pa) -20 (cked)] TJ 0 -9 Td (x) Tj ET"), b"/Filter/FlateDecode"
    )
    assert pdf_text(packed) == "Packed\nx"


def test_what_holds_no_words_is_a_picture() -> None:
    for data in (b"", b"no pdf", documents.bomb(), documents.drawing(b"")):
        assert document_words("application/pdf", b64encode(data).decode()) == ""
    assert document_words("image/png", "aGVsbG8=") == ""
    assert document_words("application/pdf", "&&&") == ""


def test_rows_of_a_table_are_found_by_its_headings_and_over_a_page_break() -> None:
    text = "Thing    Count   Cost\nLamp   2   9.50\nPage 1\nThing    Count   Cost\nMat  1  3.00\nSum  12.50\n"
    assert rows(text, ["thing", "count", "cost"]) == [
        {"thing": "Lamp", "count": "2", "cost": "9.50"},
        {"thing": "Mat", "count": "1", "cost": "3.00"},
    ]
    assert rows("no table here\nat all", ["thing", "count"]) == []


def test_numbers_are_read_in_both_styles() -> None:
    assert numbers_in("1,250.00 and 1.250,50 and 3,5 and 1,000 and -7 and 2.5.") == [
        1250.0,
        1250.5,
        3.5,
        1000.0,
        -7,
        2.5,
    ]


def test_every_value_is_quoted_with_the_line_that_says_it() -> None:
    text = "Net: 10.00\nGross total: 10.00\nLamp  1  10.00\nMat  1  4.00\nIn stock: yes"
    values = {"gross_total": 10.0, "rows": [{"thing": "Mat", "count": 1}], "stock": True, "lost": None, "no": "absent"}
    assert quotes(values, text) == [
        {"path": "gross_total", "quote": "Gross total: 10.00"},
        {"path": "rows.0.thing", "quote": "Mat  1  4.00"},
        {"path": "rows.0.count", "quote": "Mat  1  4.00"},
        {"path": "stock", "quote": "In stock: yes"},
    ]

"""What the extraction recipe sends for a document, and what it makes of the answer."""

from __future__ import annotations

import asyncio
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from packmule.checks import load_schema
from packmule.core.calls import Reply
from packmule.core.items import Item
from packmule.errors import SourceError
from packmule.recipes.extract import Extract
from tests import documents

SCHEMA = load_schema({"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]})
ANSWER = {"values": {"total": 9.5}, "evidence": [("total", "Total: 9,50")]}


async def _note(name: str, fn: Any) -> Any:
    return await fn()


def item_of(path: Path, media: str = "application/pdf") -> Item:
    row = {
        "name": path.name,
        "path": path.name,
        "file": str(path),
        "media": media,
        "sha256": sha256(path.read_bytes()).hexdigest(),
    }
    return Item(0, path.name, row, round_=0, seed=lambda: random.Random(1), note=_note, phase=lambda _: None)


def asked(extract: Extract, item: Item) -> tuple[str, list[tuple[str, bytes]], Any]:
    sent: list[Any] = []

    async def ask(prompt: str, *, schema: Any, attach: Any) -> Reply:
        sent.extend((prompt, attach))
        value = ANSWER if schema is not SCHEMA else {"total": 9.5}
        return Reply("", value, None, 0, "sim/x", "stop")

    output = asyncio.run(extract.recipe(2)(item, ask))
    return sent[0], sent[1], output


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    path = tmp_path / "bill.pdf"
    path.write_bytes(documents.written("Bill {of} Żółw", "Total: 9,50"))
    return path


def test_a_pdf_goes_along_as_it_is_where_it_is_read_natively(bill: Path) -> None:
    prompt, attach, output = asked(Extract(SCHEMA, None, cited=True, native=True), item_of(bill))
    assert attach == [("application/pdf", bill.read_bytes())]
    assert "Total: 9,50" not in prompt
    assert "bill.pdf" in prompt
    assert output["result"] == {"total": 9.5}
    assert output["citations"]["total"][0].text == "9,50"
    assert output["unsupported"] == []


def test_elsewhere_its_text_stands_in_the_prompt(bill: Path) -> None:
    extract = Extract(SCHEMA, "Mind the {braces}.", cited=True, native=False)
    prompt, attach, output = asked(extract, item_of(bill))
    assert attach == []
    assert "<document>\nBill {of} Żółw\nTotal: 9,50\n</document>" in prompt
    assert "Mind the {braces}." in prompt
    assert output["unsupported"] == []
    assert "(the text of bill.pdf)" in extract.preview(item_of(bill).data)


def test_a_picture_of_a_text_is_sent_only_where_nothing_must_be_cited(tmp_path: Path) -> None:
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(documents.drawing(b""))
    assert asked(Extract(SCHEMA, None, cited=False, native=True), item_of(scan))[1]
    for cited, native in ((True, True), (True, False), (False, False)):
        with pytest.raises(SourceError, match="no text layer"):
            asked(Extract(SCHEMA, None, cited=cited, native=native), item_of(scan))


def test_a_file_that_is_gone_or_changed_is_not_sent(bill: Path) -> None:
    item = item_of(bill)
    bill.write_bytes(documents.written("Bill", "Total: 8,50"))
    with pytest.raises(SourceError, match="has changed since the batch began"):
        asked(Extract(SCHEMA, None, cited=True, native=True), item)
    bill.unlink()
    with pytest.raises(SourceError, match="cannot be read at"):
        asked(Extract(SCHEMA, None, cited=True, native=True), item)

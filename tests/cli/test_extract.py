"""`packmule extract`, from a person's side."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from packmule.sources.pdf import joined, read_pdf
from tests import documents
from tests.cli.command import EXAMPLES, MODEL, packmule, results, slow, start

EXTRACT = ("extract", "invoices", "--schema", "invoice.py:Invoice", *MODEL, "-o", "out")
CITED = (*EXTRACT, "--citations")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped invoices and their model."""
    shutil.copytree(EXAMPLES / "invoices", tmp_path / "invoices")
    shutil.copy(EXAMPLES / "invoice.py", tmp_path)
    return tmp_path


def text_of(folder: Path, key: str) -> str:
    return joined(read_pdf((folder / "invoices" / key).read_bytes(), key))[0]


def cited(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, one) for path, several in record["output"]["citations"].items() for one in several]


def test_every_value_is_cited_where_it_stands_in_its_pdf(folder: Path) -> None:
    said = packmule(folder, *CITED)
    assert said.code == 0, said.err
    records = results(folder / "out")
    assert [record["key"] for record in records] == [f"invoice_{n:03d}.pdf" for n in range(1, 5)]
    for record in records:
        text = text_of(folder, record["key"])
        assert list(record["output"]) == ["result", "citations", "unsupported"]
        assert record["output"]["unsupported"] == []
        assert len(cited(record)) >= 3 + 4 * len(record["output"]["result"]["items"])
        for _, one in cited(record):
            assert text[one["start"] : one["end"]] == one["text"]
            assert (one["page"], one["document"]) == (1, record["key"])
    assert records[0]["output"]["citations"]["invoice_number"][0]["text"].startswith("INV-")


def test_without_citations_there_are_the_values_alone(folder: Path) -> None:
    assert packmule(folder, *EXTRACT).code == 0
    for record in results(folder / "out"):
        assert set(record["output"]) == {"invoice_number", "company_name", "total_amount", "items", "tax_rate"}


def test_a_model_without_pdf_gets_the_text_and_cites_the_same(folder: Path) -> None:
    assert packmule(folder, *CITED).code == 0
    native = results(folder / "out")
    serve = start(folder, "sim", "serve", "--port", "0")
    assert serve.stdout is not None
    try:
        url = serve.stdout.readline().strip() + "/v1"
        elsewhere = ["openai/some-model" if word == "sim/small" else word for word in CITED]
        said = packmule(folder, *elsewhere, "--base-url", url, "--free")
    finally:
        serve.terminate()
        serve.communicate()
    assert said.code == 0, said.err
    for record, other in zip(results(folder / "out"), native, strict=True):
        for path in ("invoice_number", "company_name", "total_amount", "tax_rate"):
            assert record["output"]["result"][path] == other["output"]["result"][path]
            assert record["output"]["citations"][path] == other["output"]["citations"][path]


def test_one_bad_document_fails_alone_with_its_reason_and_costs_nothing(folder: Path) -> None:
    bad = {
        "bomb.pdf": documents.bomb(),
        "loop.pdf": documents.loop(),
        "locked.pdf": documents.encrypted("word"),
        "scan.pdf": documents.drawing(b""),
        "torn.pdf": documents.written("x")[:200],
    }
    for name, data in bad.items():
        (folder / "invoices" / name).write_bytes(data)
    said = packmule(folder, *CITED)
    assert said.code == 3, said.err
    found = {record["key"]: record for record in results(folder / "out")}
    assert len(found) == 9
    for name in bad:
        assert found[name]["status"] == "failed"
        assert found[name]["reason"].startswith(name)
        assert found[name]["attempts"] == 0
    assert "unpacks to more than is safe to read" in found["bomb.pdf"]["reason"]
    assert "cyclic" in found["loop.pdf"]["reason"]
    assert "encrypted with a password" in found["locked.pdf"]["reason"]
    assert "has no text layer" in found["scan.pdf"]["reason"]
    assert "no readable PDF" in found["torn.pdf"]["reason"]
    assert sum(record["status"] == "completed" for record in found.values()) == 4


def test_text_markdown_and_images_are_documents_too(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "invoice.py", tmp_path)
    (tmp_path / "a.txt").write_text("Company name: Übersee AG\nInvoice number: A-1\nTotal amount: 1.250,00 €\n")
    (tmp_path / "b.md").write_text("# Invoice\n\nInvoice number: B-2\nTotal amount: 9.50\nCompany name: Bee Ltd\n")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 200)
    words = ["extract", "a.txt", "b.md", "c.png", "--schema", "invoice.py:Invoice", "--citations", *MODEL, "-o", "out"]
    said = packmule(tmp_path, *words)
    assert said.code == 0, said.err
    text, markdown, picture = results(tmp_path / "out")
    assert text["output"]["result"]["total_amount"] == 1250.0
    assert text["output"]["citations"]["total_amount"][0]["text"] == "1.250,00"
    assert text["output"]["citations"]["total_amount"][0]["page"] is None
    assert markdown["output"]["citations"]["invoice_number"][0]["text"] == "B-2"
    # Nothing can be checked against a picture, and nothing is claimed to have been.
    assert cited(picture) == []
    assert "invoice_number" in picture["output"]["unsupported"]


def test_a_killed_extraction_goes_on_and_pays_nothing_twice(folder: Path) -> None:
    words = (*CITED, *slow(folder, 0.6), "--concurrency", "1")
    running = start(folder, *words, "--json")
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line).get("counts", {}).get("completed"):
            break
    running.send_signal(signal.SIGKILL)
    running.communicate()
    said = packmule(folder, *words)
    assert said.code == 0, said.err
    assert "resuming batch-" in said.err
    assert all(record["output"]["unsupported"] == [] for record in results(folder / "out"))


def test_a_document_that_changed_meanwhile_is_not_mistaken_for_the_old_one(folder: Path) -> None:
    assert packmule(folder, *CITED, "--limit", "1").code == 0
    (folder / "invoices" / "invoice_001.pdf").write_bytes(documents.written("Invoice number: other"))
    said = packmule(folder, *CITED, "--limit", "1")
    assert "differs from batch-" in said.err
    assert "the input's content" in said.err


def test_the_estimate_counts_pages_of_documents(folder: Path) -> None:
    said = packmule(folder, *CITED, "--dry-run")
    assert said.code == 0
    assert "from the document invoice_001.pdf" in said.err
    assert "4 items, about" in said.err
    tokens = int(said.err.split("about ")[1].split(" ")[0].replace(",", ""))
    assert tokens > 4 * 1500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("extract", *MODEL), "no document is named"),
        (("extract", "invoices", *MODEL), "no schema says what to extract"),
        (("extract", "invoices", "--schema", "invoice.py:Invoice"), "no model is named"),
        (("extract", "invoices", "--schema", "invoic.py:Invoice", *MODEL), "there is no file invoic.py"),
        (("extract", "invoices", "--schema", "invoice.py:Invoic", *MODEL), "invoice.py has no 'Invoic'"),
        (("extract", "invoice", "--schema", "invoice.py:Invoice", *MODEL), "invoice does not exist"),
        (("extract", "-", "--schema", "invoice.py:Invoice", *MODEL), "- does not exist"),
    ],
)
def test_what_is_missing_is_one_sentence(folder: Path, words: tuple[str, ...], said: str) -> None:
    found = packmule(folder, *words)
    assert found.code == 2
    assert said in found.err
    assert not (folder / ".packmule").exists() or "no batch" in packmule(folder, "list").err


def test_a_template_of_an_extraction_asks_the_same_of_other_documents(folder: Path) -> None:
    assert packmule(folder, *CITED, "--prompt", "Amounts are in euros.", "--limit", "1").code == 0
    batch = packmule(folder, "list").out.split()[0]
    assert packmule(folder, "template", "save", batch, "t.yaml").code == 0
    said = packmule(folder, "run", "--template", "t.yaml", "invoices/invoice_002.pdf", "-o", "two")
    assert said.code == 0, said.err
    assert "Amounts are in euros." in said.err
    (record,) = results(folder / "two")
    assert record["output"]["unsupported"] == []


def test_python_extracts_by_the_same_name(folder: Path) -> None:
    from packmule import Batch

    batch = Batch(
        str(folder / "invoices"),
        recipe="extract-cited",
        schema=f"{folder / 'invoice.py'}:Invoice",
        model="sim/small",
        store=folder / "s.db",
        output=folder / "py",
    )
    outputs = [result.output for result in batch.run()]
    assert [output["unsupported"] for output in outputs] == [[]] * 4

"""Documents: files of several kinds become items, and the text of a PDF is read where it can do no harm."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from packmule.errors import SourceError
from packmule.sources.opening import open_source
from packmule.sources.pdf import joined, read_pdf
from tests import documents


def trouble(data: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read_pdf(data, "a.pdf")
    assert caught.value.hint
    return caught.value.message


def test_the_text_of_a_pdf_is_read_page_by_page() -> None:
    pages = read_pdf(documents.written(*(f"Zeile {number} für Żółw" for number in range(60))), "a.pdf")
    assert len(pages) == 2
    assert pages[0].splitlines()[0] == "Zeile 0 für Żółw"
    assert pages[1].splitlines()[-1] == "Zeile 59 für Żółw"
    text, starts = joined(pages)
    assert [text[start:].split("\n")[0] for start in starts] == ["Zeile 0 für Żółw", pages[1].splitlines()[0]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no pdf at all", "is no readable PDF"),
        (documents.written("cut")[:300], "is no readable PDF"),
        (documents.bomb(), "unpacks to more than is safe to read"),
        (documents.loop(), "is no readable PDF: Detected cyclic page references."),
        (documents.encrypted("word"), "is encrypted with a password"),
    ],
    ids=["garbage", "cut", "bomb", "loop", "encrypted"],
)
def test_a_pdf_that_cannot_be_read_is_one_sentence(data: bytes, said: str) -> None:
    assert trouble(data).startswith(f"a.pdf {said}")


def test_a_pdf_that_stalls_its_readers_is_given_up() -> None:
    program = b"BT /F1 9 Tf 1 0 0 1 60 700 Tm [" + b"(a) -9 " * 2_500_000 + b"] TJ ET "
    began = time.monotonic()
    assert "a.pdf" in trouble(documents.drawing(program * 2))
    assert time.monotonic() - began < 90


def test_an_empty_password_locks_nothing() -> None:
    assert read_pdf(documents.encrypted(""), "a.pdf") == ["Secret: none"]


def test_a_picture_of_a_text_has_pages_without_words() -> None:
    assert read_pdf(documents.drawing(b""), "a.pdf") == [""]


def test_documents_of_every_kind_are_items_and_others_are_said(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.pdf").write_bytes(documents.written("bee"))
    (tmp_path / "a.md").write_text("# ay\n")
    (tmp_path / "c.PNG").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    (tmp_path / "d.docx").write_bytes(b"PK")
    (tmp_path / "e.pdf").write_bytes(b"")
    source = open_source(tmp_path, documents=True)
    text, picture, pdf = source.items()
    assert (text.key, text.data["text"]) == ("a.md", "# ay\n")
    assert (picture.key, picture.data["media"]) == ("c.PNG", "image/png")
    assert (pdf.key, pdf.data["media"]) == ("sub/b.pdf", "application/pdf")
    assert Path(pdf.data["file"]) == (tmp_path / "sub" / "b.pdf").resolve()
    assert len(pdf.data["sha256"]) == 64
    assert "text" not in pdf.data
    said = "\n".join(source.warnings)
    assert "d.docx: .docx is not read yet" in said
    assert "e.pdf: empty" in said


def test_one_file_or_several_are_documents_too(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.csv"):
        (tmp_path / name).write_text("id,text\n1,one\n")
    (one,) = open_source(tmp_path / "c.csv", documents=True).items()
    assert (one.key, one.data["text"]) == ("c.csv", "id,text\n1,one\n")
    two = list(open_source([str(tmp_path / "b.txt"), str(tmp_path / "a.txt")], documents=True).items())
    assert [Path(item.key or "").name for item in two] == ["b.txt", "a.txt"]


def test_another_document_is_another_source(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(documents.written("one"))
    before = open_source(tmp_path, documents=True).fingerprint()
    (tmp_path / "a.pdf").write_bytes(documents.written("two"))
    assert open_source(tmp_path, documents=True).fingerprint().sha256_hex != before.sha256_hex


@pytest.mark.parametrize("given", [[], [{"text": "row"}], 5])
def test_rows_are_no_documents(given: object) -> None:
    with pytest.raises(SourceError.__base__, match="files and folders"):
        open_source(given, documents=True)


def test_an_absent_document_is_said_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "invoice.pdf").write_bytes(documents.written("one"))
    with pytest.raises(SourceError) as caught:
        open_source([tmp_path / "invoce.pdf", tmp_path], documents=True)
    assert "does not exist" in caught.value.message
    assert "invoice.pdf" in caught.value.hint

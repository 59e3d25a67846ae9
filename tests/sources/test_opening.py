"""Opening: formats by name and content, folders, standard input, missing and unreadable files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from packmule.errors import SourceError, UsageError
from packmule.sources import open_source
from packmule.sources.sniff import format_of
from tests.nobody import folder_of_nobody


def refusal(given: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        list(open_source(given).items())
    return caught.value


def test_text_lines_are_tasks_and_blank_ones_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "tasks.txt"
    path.write_text("first task \n\n  second\r\n\n", newline="")
    source = open_source(path)
    assert [item.data for item in source.items()] == [{"text": "first task"}, {"text": "  second"}]
    assert [item.key for item in source.items()] == ["1", "2"]
    assert source.counts.empty == 2
    assert source.columns == ["text"]


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text\nx\n")
    error = refusal(tmp_path / "review.csv")
    assert error.message == f"{tmp_path / 'review.csv'} does not exist"
    assert error.hint == f"did you mean {tmp_path / 'reviews.csv'}?"
    assert "there is no folder" in refusal(tmp_path / "nowhere" / "a.csv").message
    assert "does not exist" in refusal(tmp_path / "reviews.csv" / "a.csv").message


def test_an_empty_name_and_a_name_with_nul_are_refused() -> None:
    assert "empty" in refusal("").message
    assert "cannot be read" in refusal("a\0b").message


def test_a_file_without_permission_is_said() -> None:
    with folder_of_nobody() as folder:
        path = folder / "locked.csv"
        path.write_text("text\nx\n")
        path.chmod(0)
        assert "permission denied" in refusal(path).message


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n" + "".join(f"{number},x\n" for number in range(50_000)))
    items = open_source(path).items()
    next(items)
    with path.open("a") as file:
        file.write("new,y\n")
    with pytest.raises(SourceError, match="changed while it was being read"):
        list(items)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ('{"a": 1}\n{"a": 2}\n', "jsonl"),
        ('{"a": 1}', "jsonl"),
        ('[{"a": 1}]', "json"),
        ('[\n{"a": 1}\n]', "json"),
        ("[1]\n[2]\n", "jsonl"),
        ('{\n "a": 1}', "json"),
        ("{not json", "json"),
        ("id,text\n1,x\n2,y\n", "csv"),
        ("id;text\n1;x\n", "csv"),
        ("Hello, world.\nGood morning, all.\n", "lines"),
        ("one\ntwo\n", "lines"),
        ("one, two\nthree, four\n", "lines"),
        ("", "lines"),
    ],
)
def test_the_format_is_told_by_the_content(sample: str, expected: str) -> None:
    assert format_of(sample) == expected


def test_a_file_without_a_known_extension_is_sniffed(tmp_path: Path) -> None:
    path = tmp_path / "rows.dat"
    path.write_text("id,text\na,x\n")
    assert [item.key for item in open_source(path).items()] == ["a"]


@pytest.mark.parametrize(
    ("content", "columns"),
    [(b'{"q": 1}\n', ["q"]), (b"id,text\n1,x\n", ["id", "text"]), (b"do this\ndo that\n", ["text"])],
)
def test_standard_input_is_spooled_by_digest_and_sniffed(tmp_path: Path, content: bytes, columns: list[str]) -> None:
    first = open_source("-", stdin=io.BytesIO(content), spool_dir=tmp_path)
    second = open_source("-", stdin=io.BytesIO(content), spool_dir=tmp_path)
    assert first.columns == columns
    assert first.name == "standard input"
    assert first.fingerprint() == second.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == [first.fingerprint().sha256_hex]
    assert list(first.items()) == list(second.items())


def test_empty_and_absent_standard_input_are_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="standard input is empty"):
        open_source("-", stdin=io.BytesIO(b""), spool_dir=tmp_path)
    assert "there is none here" in refusal("-").message


def test_a_spool_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SourceError, match="could not be copied"):
        open_source("-", stdin=io.BytesIO(b"x\n"), spool_dir=tmp_path / "file" / "spool")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")
def test_a_named_pipe_is_spooled(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    if os.fork() == 0:
        fifo.write_bytes(b"id,text\n1,x\n")
        os._exit(0)
    source = open_source(fifo, spool_dir=tmp_path / "spool")
    os.wait()
    assert [item.data["text"] for item in source.items()] == ["x"]


def test_a_folder_is_one_item_a_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("bee")
    (tmp_path / "a.md").write_text("ay")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.html").write_text("<p>sea</p>")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("no")
    (tmp_path / "packmule-out").mkdir()
    (tmp_path / "packmule-out" / "results.csv").write_text("no")
    source = open_source(tmp_path)
    items = list(source.items())
    assert [item.key for item in items] == ["a.md", "b.txt", "sub/c.html"]
    assert items[2].data == {"text": "<p>sea</p>", "name": "c.html", "path": "sub/c.html"}
    assert source.columns == ["text", "name", "path"]
    assert source.counts.empty == 1
    assert not source.fingerprint().extendable
    assert source.prefix_digest(3) is None


def test_what_a_folder_cannot_give_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ay")
    (tmp_path / "b.txt").write_bytes(b"\0\1\2")
    (tmp_path / "old.txt").write_bytes("café crème".encode("latin-1"))
    (tmp_path / "huge.txt").write_bytes(b"x" * 10_000_001)
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    for number in range(5):
        (tmp_path / f"scan{number}.pdf").write_bytes(b"%PDF")
    source = open_source(tmp_path)
    assert [item.key for item in source.items()] == ["a.txt", "old.txt"]
    said = "\n".join(source.warnings)
    assert "scan0.pdf, scan1.pdf, scan2.pdf and 2 more: .pdf is read by packmule extract" in said
    assert "b.txt: looks like a binary file" in said
    assert "huge.txt: larger than 10 MB" in said
    assert "dangling.txt: not a regular file" in said
    assert "old.txt is not UTF-8" in said


def test_a_folder_without_usable_files_is_an_error(tmp_path: Path) -> None:
    assert "without a text file" in refusal(tmp_path).message
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    assert ".pdf is read by packmule extract" in refusal(tmp_path).message


def test_a_changed_file_changes_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    before = open_source(tmp_path).fingerprint()
    (tmp_path / "a.txt").write_text("two")
    assert open_source(tmp_path).fingerprint().sha256_hex != before.sha256_hex


def test_results_of_an_earlier_run_are_no_input_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    out = tmp_path / "res"
    out.mkdir()
    (out / "results.jsonl").write_text('{"seq": 0}\n')
    (out / "summary.json").write_text('{"batch_id": "batch-2026-11-24-aaaaaa"}')
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "summary.json").write_text('{"title": "about lamps"}')
    assert [item.key for item in open_source(tmp_path).items()] == ["a.txt", "mine/summary.json"]

"""CSV and TSV as sources: what is read, and each bad input with one clear sentence."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packmule.errors import SourceError
from packmule.sources import open_source


def write(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [item.data for item in open_source(path, **options).items()]


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        list(open_source(path).items())
    return caught.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, f"id{delimiter}text\na{delimiter}one, two; or | three\n".replace(delimiter + " ", " "))
    assert rows(path)[0]["id"] == "a"
    assert list(rows(path)[0]) == ["id", "text"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfid,text\na,x\n")
    assert rows(path) == [{"id": "a", "text": "x"}]


def test_utf_16_is_read_by_its_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, "id;text\na;grüße\n".encode("utf-16"))
    assert rows(path) == [{"id": "a", "text": "grüße"}]
    assert not open_source(path).fingerprint().extendable


def test_quoted_newlines_delimiters_and_quotes_stay_in_the_cell(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,text\r\na,"one\r\ntwo, ""three"""\r\nb,x\r\n')
    assert [row["text"] for row in rows(path)] == ['one\r\ntwo, "three"', "x"]


def test_spaces_before_quotes_are_skipped_when_the_file_is_written_so(tmp_path: Path) -> None:
    path = write(tmp_path, 'id, text\na, "one, two"\n')
    assert rows(path) == [{"id": "a", "text": "one, two"}]


def test_a_single_column_is_enough(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "task\nfirst\nsecond\n")) == [{"task": "first"}, {"task": "second"}]


def test_tsv_is_split_at_tabs_only(tmp_path: Path) -> None:
    path = write(tmp_path, "id\ttext, long\na\tx,y\n", "rows.tsv")
    assert rows(path) == [{"id": "a", "text, long": "x,y"}]


def test_latin_letters_are_guessed_and_said(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "id,text\n1,Café crème brûlée\n".encode("latin-1")))
    assert [item.data["text"] for item in source.items()] == ["Café crème brûlée"]
    assert any("not UTF-8" in warning and "cp1252" in warning for warning in source.warnings)
    assert not source.fingerprint().extendable


def test_an_odd_byte_far_behind_the_first_megabyte_is_found_before_the_first_row(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,text\n" + b"1,plain\n" * 200_000 + "2,café\n".encode("latin-1"))
    source = open_source(path)
    assert source.warnings
    last = list(source.items())[-1]
    assert last.data["text"] == "café"


def test_nameless_and_repeated_columns_get_names_and_a_warning(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, ",text,text\n0,a,b\n"))
    assert source.columns == ["column_1", "text", "text-2"]
    assert len(source.warnings) == 2
    assert [item.data for item in source.items()] == [{"column_1": "0", "text": "a", "text-2": "b"}]


def test_empty_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "\nid,text\na,x\n\n , \n,\n   \nb,y\n"))
    assert [item.key for item in source.items()] == ["a", "b"]
    assert (source.counts.rows, source.counts.empty) == (2, 4)


def test_a_row_of_the_wrong_width_names_file_line_and_both_counts(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, 'id,text\na,"one\ntwo"\nb,x,y\n'))
    assert error.message.endswith("rows.csv, line 4: 3 cells where the header has 2 columns: 'id', 'text'")
    assert "quotes" in error.hint
    assert "line 2: 1 cell where" in refusal(write(tmp_path, "id,text\nalone\n")).message


def test_a_quote_that_is_never_closed_is_an_error_where_it_opens(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, 'id,text\na,x\nb,"never closed\nc,y\nd,z\n'))
    assert "line 3: a double quote is opened in this row and never closed" in error.message


def test_letters_behind_a_closing_quote_are_an_error_with_the_line(tmp_path: Path) -> None:
    assert "line 2: the row is not valid CSV" in refusal(write(tmp_path, 'id,text\na,"x"y\n')).message


@pytest.mark.parametrize("content", [b"id,text\na,\x00\x01\n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_binary_content_is_said(tmp_path: Path, content: bytes) -> None:
    assert "looks like a binary file" in refusal(write(tmp_path, content)).message


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, b"")).message.endswith("rows.csv is empty")
    assert "is empty" in refusal(write(tmp_path, "\n\n  \n")).message


def test_a_header_that_is_a_document_is_refused(tmp_path: Path) -> None:
    assert "are no name" in refusal(write(tmp_path, "x" * 500 + "\nrow\n")).message


def test_a_cell_of_100_mb_on_one_line_names_the_column_and_stays_out_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("w") as file:
        file.write("id,text,label\n1,fine,x\n2,")
        for _ in range(100):
            file.write("a" * 1_000_000)
        file.write(",y\n")
    tracemalloc.start()
    error = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "huge.csv, line 3, column 2 ('text'): the cell is larger than 10 MB" in error.message
    assert peak < 60_000_000


def test_a_cell_of_12_mb_over_many_lines_names_the_column(tmp_path: Path) -> None:
    line = "a" * 99 + "\n"
    path = write(tmp_path, 'id,text\n1,x\n2,"' + line * 120_000 + '"\n')
    assert "line 3, column 2 ('text'): the cell is larger than 10 MB" in refusal(path).message


def test_bytes_that_the_guessed_encoding_cannot_hold_are_an_error(tmp_path: Path) -> None:
    bad = b"\x81\x8d\x8f\x90\x9d " * 30
    path = write(tmp_path, "id,text\n1,café\n".encode("latin-1") * 3000 + b"2," + bad + b"\n")
    with pytest.raises(SourceError):
        list(open_source(path).items())


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]], delimiter: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["id", "first", "second"])
    writer.writerows([f"k{number}", first, second] for number, (_, first, second) in enumerate(table))
    path = write(tmp_path_factory.mktemp("csv"), out.getvalue())
    expected = [
        {"id": f"k{number}", "first": first, "second": second} for number, (_, first, second) in enumerate(table)
    ]
    assert rows(path) == expected

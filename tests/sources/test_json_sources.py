"""JSON Lines and JSON documents as sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packmule.errors import SourceError
from packmule.sources import open_source


def write(folder: Path, content: str, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [item.data for item in open_source(path).items()]


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        list(open_source(path).items())
    return caught.value.message


def test_objects_are_rows_and_other_values_become_text(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": 1, "b": null}\n"just words"\n\n17\nnull\n{}\n{"a": ""}\n[1, 2]\n')
    source = open_source(path)
    assert [item.data for item in source.items()] == [
        {"a": 1, "b": None},
        {"text": "just words"},
        {"text": 17},
        {"text": [1, 2]},
    ]
    assert source.counts.empty == 4
    assert source.columns[:2] == ["a", "b"]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert rows(write(tmp_path, '\ufeff{"a": 1}\n')) == [{"a": 1}]


def test_not_a_number_is_null_and_great_integers_are_exact(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": NaN, "b": -Infinity, "c": 123456789012345678901234567890}\n')
    assert rows(path) == [{"a": None, "b": None, "c": 123456789012345678901234567890}]


def test_a_broken_line_names_line_and_column(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, '{"a": 1}\n\n{"a": 2,, "b": 3}\n'))
    assert "rows.jsonl, line 3, column 9: this is not valid JSON" in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"a": "\\ud800"}', "half of a"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5_000, "not valid JSON"),
    ],
)
def test_values_that_python_cannot_hold_are_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path, '{"ok": 1}\n' * 3 + line + "\n")
    assert "line 4" in refusal(path)
    assert said in refusal(path)


def test_a_line_of_100_mb_is_refused_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("w") as file:
        file.write('{"a": 1}\n{"a": "')
        for _ in range(100):
            file.write("x" * 1_000_000)
        file.write('"}\n')
    with pytest.raises(SourceError, match=r"line 2: the line is longer than 16 MB"):
        open_source(path)


def test_a_json_array_is_streamed_whatever_the_chunks_cut(tmp_path: Path) -> None:
    data = [
        {"n": number, "text": 'é\n"x"' * (number % 50), "deep": {"l": [number, 1.5, None]}} for number in range(3_000)
    ]
    for indent in (None, 2):
        path = write(tmp_path, json.dumps(data, indent=indent, ensure_ascii=indent is None), "rows.json")
        assert rows(path) == data
        assert not open_source(path).fingerprint().extendable


def test_a_single_line_array_of_40_mb_is_no_problem(tmp_path: Path) -> None:
    data = [{"text": "x" * 400_000}] * 100
    assert len(rows(write(tmp_path, json.dumps(data), "rows.json"))) == 100


def test_a_json_file_may_hold_lines_or_one_object(tmp_path: Path) -> None:
    assert rows(write(tmp_path, '{"a": 1}\n{"a": 2}\n', "rows.json")) == [{"a": 1}, {"a": 2}]
    assert rows(write(tmp_path, '{\n  "a": 1\n}\n', "one.json")) == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"a": 1},\n {"a": }]', "line 2, column 8"),
        ('[{"a": 1}\n {"a": 2}]', "line 2, column 2"),
        ('[{"a": 1},\n {"a": 2}', "never closed"),
        ('[{"a": 1},', "never closed"),
        ('[{"a": 1},]', "comma before the closing bracket"),
        ('[{"a": 1}] x', "something follows"),
        ('[{"a": "never ends}]', "line 1, column 8"),
        ('[{"a": "\\ud800"}]', "half of a"),
        ("[" * 200_000, "nested too deeply"),
        ("[" + "1" * 5_000 + "]", "not a valid list"),
    ],
)
def test_a_broken_document_says_where(tmp_path: Path, content: str, said: str) -> None:
    message = refusal(write(tmp_path, content, "rows.json"))
    assert "rows.json, line" in message
    assert said in message


def test_an_error_far_into_a_document_has_its_line_and_column(tmp_path: Path) -> None:
    lines = ",\n".join('{"text": "' + "x" * 50 + '"}' for _ in range(5_000))
    path = write(tmp_path, "[\n" + lines + ',\n{"text": oops}\n]', "rows.json")
    assert "line 5002, column 10" in refusal(path)


def test_a_value_over_10_mb_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, '[{"a": 1}, {"a": "' + "x" * 12_000_000 + '"}]', "rows.json")
    assert "larger than 10 MB" in refusal(path)


def test_a_document_without_rows_is_said(tmp_path: Path) -> None:
    assert "no rows" in refusal(write(tmp_path, "[]", "rows.json"))
    assert "no rows" in refusal(write(tmp_path, "\n\n", "rows.jsonl"))


leaf = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
value = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), value, min_size=1, max_size=4), min_size=1, max_size=6))
def test_array_and_lines_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("json")
    data = [{"_": "row", **row} for row in data]
    array = write(folder, json.dumps(data, indent=1), "rows.json")
    lines = write(folder, "".join(json.dumps(row) + "\n" for row in data), "rows.jsonl")
    assert rows(array) == rows(lines) == data

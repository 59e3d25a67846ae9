"""Results as files: the same records in every format, safe cells, nothing replaced on an error."""

from __future__ import annotations

import csv
import io
import json
import resource
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packmule.errors import OutputError, UsageError
from packmule.exports import ResultRecord, write_json, write_records, write_results
from packmule.exports.spreadsheet import RISKY, Spreadsheet

FIELDS = "seq key status output reason cost_usd tokens_in tokens_out attempts latency_s model".split()


def record(seq: int = 0, output: Any = "fine", **changes: Any) -> ResultRecord:
    values: dict[str, Any] = {
        "seq": seq,
        "key": f"k{seq}",
        "status": "completed",
        "output": output,
        "reason": "",
        "cost_usd": "0.000123",
        "tokens_in": 10,
        "tokens_out": 2,
        "attempts": 1,
        "latency_s": 0.5,
        "model": "sim/steady",
    }
    return ResultRecord(**{**values, **changes})


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_pass_writes_every_format_and_the_summary(tmp_path: Path) -> None:
    passes = []

    def records() -> Iterator[ResultRecord]:
        passes.append(1)
        yield from (record(number) for number in range(1_234))

    paths = write_results(tmp_path / "out", records, {"done": 1_234}, ["jsonl", "csv", "parquet"])
    assert [path.name for path in paths] == [
        "results.jsonl",
        "results.csv",
        "results.parquet",
        "summary.json",
    ]
    assert sorted(tmp_path.glob("out/*")) == sorted(paths)
    lines = [json.loads(line) for line in paths[0].read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1_234))
    assert list(lines[0]) == FIELDS
    assert [row["key"] for row in read_csv(paths[1])] == [line["key"] for line in lines]
    assert pq.read_table(paths[2]).column("key").to_pylist() == [line["key"] for line in lines]
    assert json.loads(paths[3].read_text()) == {"done": 1_234}
    assert passes == [1]


def test_no_records_still_make_whole_files(tmp_path: Path) -> None:
    paths = write_results(tmp_path, list, {}, ["jsonl", "csv", "parquet"])
    assert paths[0].read_bytes() == b""
    assert paths[1].read_bytes().decode().strip().split(",") == FIELDS
    assert pq.read_table(paths[2]).num_rows == 0


@pytest.mark.parametrize("raw", [False, True])
def test_outputs_of_any_shape_are_lossless_in_jsonl_and_readable_in_cells(tmp_path: Path, raw: bool) -> None:
    outputs = ["text", {"a": [1, None]}, [1.5], 7, -2, True, None, "é\u2028\n"]
    given_outputs = [msgspec.Raw(msgspec.json.encode(output)) for output in outputs] if raw else outputs
    write_results(tmp_path, lambda: map(record, range(8), given_outputs), {}, ["jsonl", "csv", "parquet"])
    cells = ["text", '{"a":[1,null]}', "[1.5]", "7", "-2", "true", "", "é\u2028\n"]
    lines = (tmp_path / "results.jsonl").read_text().split("\n")[:-1]
    assert [json.loads(line)["output"] for line in lines] == outputs
    assert [row["output"] for row in read_csv(tmp_path / "results.csv")] == cells
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.column("output").to_pylist() == [cell or None for cell in cells]
    assert table.column("cost_usd").to_pylist()[0] == Decimal("0.000123")


def test_cells_that_a_spreadsheet_would_run_get_an_apostrophe(tmp_path: Path) -> None:
    risky = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"]
    path = tmp_path / "out.csv"
    write_records(path, [record(output=text, key=text, reason=text, model=text) for text in risky])
    for row, text in zip(read_csv(path), risky, strict=True):
        assert {row["output"], row["key"], row["reason"], row["model"]} == {f"'{text}"}
    assert not path.read_bytes().startswith(b"\xef\xbb\xbf")


@given(st.lists(st.tuples(st.text(), st.text())))
def test_csv_cells_read_back_as_they_are_or_with_the_apostrophe(pairs: list[tuple[str, str]]) -> None:
    out = io.BytesIO()
    Spreadsheet(out).write([record(key=key, output=output) for key, output in pairs])
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    expected = [tuple(f"'{text}" if text[:1] in RISKY and text else text for text in pair) for pair in pairs]
    assert [(row["key"], row["output"]) for row in rows] == expected


value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@settings(deadline=None)
@given(st.lists(value, max_size=5))
def test_jsonl_gives_back_every_output(tmp_path_factory: pytest.TempPathFactory, outputs: list[Any]) -> None:
    path = tmp_path_factory.mktemp("out") / "out.jsonl"
    assert write_records(path, map(record, range(len(outputs)), outputs)) == len(outputs)
    lines = path.read_bytes().split(b"\n")[:-1]
    assert [msgspec.json.decode(line, type=ResultRecord).output for line in lines] == outputs


def test_records_that_fail_halfway_replace_nothing(tmp_path: Path) -> None:
    def records() -> Iterator[ResultRecord]:
        yield from (record(number) for number in range(2_000))
        message = "the store is gone"
        raise RuntimeError(message)

    write_results(tmp_path, lambda: [record(99)], {"run": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match="the store is gone"):
        write_results(tmp_path, records, {"run": 2})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_full_disk_names_the_file_and_replaces_nothing(tmp_path: Path, kind: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = [msgspec.json.encode(hash((number, "noise"))).decode() * 20 for number in range(40_000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            write_results(tmp_path, lambda: map(record, range(40_000), noise), {}, [kind])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"results.{kind} cannot be written" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_of_two_files_the_one_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"results.jsonl is a folder"):
        write_results(tmp_path, lambda: [record()], {})
    assert not (tmp_path / "results.csv").exists()


def test_the_extension_decides_and_another_one_is_refused(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.CSV", "a.parquet"):
        assert write_records(tmp_path / name, [record()]) == 1
    with pytest.raises(UsageError) as caught:
        write_records(tmp_path / "a.xlsx", [record()])
    assert ".jsonl, .csv or .parquet" in caught.value.hint


def test_a_summary_keeps_its_order_and_is_indented(tmp_path: Path) -> None:
    path = write_json(tmp_path / "summary.json", {"z": "0.10", "a": {"b": [1]}})
    assert list(json.loads(path.read_text())) == ["z", "a"]
    assert path.read_text().startswith('{\n  "z": "0.10",')


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        write_records(tmp_path / "a.parquet", [record()])
    assert caught.value.hint == "pip install packmule[parquet]"
    assert list(tmp_path.iterdir()) == []

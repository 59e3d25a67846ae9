"""Python objects and dataframes as sources, and Parquet, which shares their rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packmule.errors import SourceError, UsageError
from packmule.sources import open_source


def pairs(given: Any, **options: Any) -> list[tuple[str | None, dict[str, Any]]]:
    return [(item.key, item.data) for item in open_source(given, **options).items()]


def test_strings_dicts_and_keyed_rows_mix() -> None:
    given = ["words", {"text": "row"}, ("k", {"text": "keyed"}), ("k", {"text": "again"}), "", None, {}]
    source = open_source(given)
    assert [(item.key, item.data["text"]) for item in source.items()] == [
        ("1", "words"),
        ("2", "row"),
        ("k", "keyed"),
        ("k-2", "again"),
    ]
    assert source.counts.empty == 3
    assert source.columns == ["text"]
    assert source.name == "items"


def test_a_list_that_grows_has_the_old_one_as_prefix() -> None:
    old = open_source([{"a": 1}, {"a": 2}]).fingerprint()
    new = open_source([{"a": 1}, {"a": 2}, {"a": 3}])
    assert old.extendable
    assert new.prefix_digest(old.size_bytes) == old.sha256_hex
    assert new.prefix_digest(old.size_bytes - 1) is None
    assert new.prefix_digest(0) is None
    assert new.prefix_digest(10_000) is None


def test_a_generator_is_spooled_and_is_the_same_source_as_the_list(tmp_path: Path) -> None:
    rows = [{"id": "a", "n": 1}, ("k", {"n": 2}), "text"]

    def generate() -> Iterator[Any]:
        yield from rows

    once = open_source(generate(), spool_dir=tmp_path)
    assert once.fingerprint() == open_source(rows).fingerprint()
    assert list(once.items()) == list(once.items()) == list(open_source(rows).items())
    assert [path.name for path in tmp_path.iterdir()] == [f"{once.fingerprint().sha256_hex}.jsonl"]
    assert pairs(iter(rows))[1] == pairs(rows)[1]


def test_a_generator_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def generate() -> Iterator[Any]:
        yield "one"
        message = "boom"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="boom"):
        open_source(generate(), spool_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_pandas_frame_gives_plain_json_rows() -> None:
    frame = pd.DataFrame(
        {
            "id": [1.0, None, 3.0],
            "text": ["x", None, "z"],
            "n": np.array([1, 2, 3]),
            "when": [datetime(2026, 1, 2, tzinfo=UTC), None, None],
        }
    )
    rows = pairs(frame)
    assert [key for key, _ in rows] == ["1", "2", "3"]
    assert rows[0][1]["when"].startswith("2026-01-02")
    assert rows[1][1] == {"id": None, "text": None, "n": 2, "when": None}
    assert open_source(frame).columns == ["id", "text", "n", "when"]


def test_a_polars_frame_and_an_arrow_table_give_the_same_source() -> None:
    data = {"id": ["a", "b"], "n": [1, None], "day": [date(2026, 1, 2), None]}
    frame, table = pl.DataFrame(data), pa.table(data)
    assert pairs(frame) == [
        ("a", {"id": "a", "n": 1, "day": "2026-01-02"}),
        ("b", {"id": "b", "n": None, "day": None}),
    ]
    assert open_source(frame).fingerprint() == open_source(table).fingerprint()


def test_odd_values_become_json_or_a_sentence_with_the_row() -> None:
    odd = {"d": Decimal("1.50"), "a": np.array([1, 2]), "s": np.str_("x"), "na": pd.NA, "b": np.bool_(True)}
    assert pairs([odd]) == [("1", {"d": "1.50", "a": [1, 2], "s": "x", "na": None, "b": True})]
    for bad in (object(), "\ud800", {"x": {"y": object()}}):
        with pytest.raises(SourceError, match=r"items, row 2 cannot be written as JSON"):
            open_source(["fine", bad])


@pytest.mark.parametrize("given", [17, None, {"a": 1}, b"bytes"])
def test_what_is_no_list_of_rows_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="not understood"):
        open_source(given)


def test_no_rows_at_all_is_said() -> None:
    empty: list[Any] = [[], [{}], iter(()), pd.DataFrame({"a": []})]
    for given in empty:
        with pytest.raises(SourceError, match="no rows"):
            open_source(given)


def test_parquet_is_read_a_batch_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    count = 10_000
    pq.write_table(pa.table({"id": [f"k{n}" for n in range(count)], "d": [Decimal("1.5")] * count}), path)
    source = open_source(path)
    items = list(source.items())
    assert len(items) == count
    assert items[-1].data == {"id": "k9999", "d": "1.5"}
    assert source.columns == ["id", "d"]
    assert not source.fingerprint().extendable
    unnamed = tmp_path / "rows.bin"
    unnamed.write_bytes(path.read_bytes())
    assert open_source(unnamed).columns == ["id", "d"]


def test_a_damaged_parquet_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 this is not parquet")
    with pytest.raises(SourceError, match="not a readable Parquet file"):
        open_source(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        open_source(path)
    assert caught.value.hint == "pip install packmule[parquet]"

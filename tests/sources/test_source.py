"""Keys, filters, limit, start and fingerprints: the same for every format."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.errors import SourceError, UsageError
from packmule.sources import open_source
from packmule.sources.keys import Keys
from packmule.sources.table import Counts


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("ID,language,text\na,en,one\nb,de,zwei\na,en,three\n,fr,quatre\na,en,five\n")
    return path


def test_the_id_column_is_found_in_any_case_and_duplicates_are_made_unique(reviews: Path) -> None:
    source = open_source(reviews)
    assert [item.key for item in source.items()] == ["a", "b", "a-2", "4", "a-3"]
    assert source.counts.renamed == 2
    assert source.warnings == [
        "2 duplicate ids in column 'ID' were made unique: 'a' became 'a-2', 'a' became 'a-3'",
        "1 row has no id in column 'ID'; the row's number stands for it",
    ]


def test_the_key_column_can_be_named(reviews: Path) -> None:
    assert [item.key for item in open_source(reviews, key="text").items()][:2] == ["one", "zwei"]


def test_an_absent_key_column_lists_the_columns(reviews: Path) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(reviews, key="langauge")
    assert "did you mean 'language'?" in caught.value.message
    assert caught.value.hint == "columns: 'ID', 'language', 'text'"


def test_without_ids_the_rows_are_numbered_from_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\nx\n\ny\n")
    assert [item.key for item in open_source(path).items()] == ["1", "2"]


def test_a_number_standing_for_an_id_gives_way_to_a_given_one() -> None:
    source = open_source([{"id": 2, "t": "x"}, {"id": "", "t": "y"}, {"id": 2.0, "t": "z"}])
    assert [item.key for item in source.items()] == ["2", "2-2", "2-3"]
    assert (source.counts.renamed, source.counts.unnamed) == (1, 1)


@given(st.lists(st.sampled_from(["a", "a-2", "b", "", None, "3", 3])))
def test_no_two_keys_are_ever_the_same(given_ids: list[str | int | None]) -> None:
    keys = Keys(Counts(), lambda: given_ids)
    made = [keys.key(value, number) for number, value in enumerate(given_ids, 1)]
    assert len(set(made)) == len(made)
    for value, key in zip(given_ids, made, strict=True):
        if value == "b" and given_ids.count("b") == 1:
            assert key == "b"


def test_a_row_without_an_id_never_takes_the_id_of_a_later_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n,one\n2,two\n1,three\n")
    source = open_source(path)
    assert [item.key for item in source.items()] == ["1-2", "2", "1"]
    assert (source.counts.renamed, source.counts.unnamed) == (0, 1)


def test_where_keeps_and_skip_drops_and_dropped_rows_are_yielded_as_filtered(reviews: Path) -> None:
    source = open_source(reviews, where=["language~^(en|de)$"], skip=["text~^th"])
    assert [(item.key, item.skip) for item in source.items()] == [
        ("a", None),
        ("b", None),
        ("a-2", "filtered"),
        ("4", "filtered"),
        ("a-3", None),
    ]
    assert (source.counts.rows, source.counts.filtered, source.counts.yielded) == (5, 2, 3)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("language", "no ~ between"),
        ("lang~en", "there is no column 'lang'"),
        ("langage~en", "did you mean 'language'?"),
        ("text~(", "not a valid regular expression"),
    ],
)
def test_bad_filters_are_refused(reviews: Path, rule: str, said: str) -> None:
    for where, skip in (([rule], []), ([], [rule])):
        with pytest.raises(UsageError) as caught:
            open_source(reviews, where=where, skip=skip)
        assert said in caught.value.message


def test_the_limit_counts_items_that_are_not_skipped(reviews: Path) -> None:
    source = open_source(reviews, skip=["language~de"], limit=2)
    assert [(item.key, item.skip) for item in source.items()] == [
        ("a", None),
        ("b", "filtered"),
        ("a-2", None),
    ]
    for limit in (0, -3):
        with pytest.raises(UsageError, match="--limit"):
            open_source(reviews, limit=limit)


@given(st.integers(0, 7))
def test_starting_later_yields_the_same_items_without_the_first(start: int) -> None:
    source = open_source([{"id": key, "n": number} for number, key in enumerate("aabca")], skip=["n~2"])
    assert list(source.items(start)) == list(source.items())[start:]


def test_the_fingerprint_is_the_digest_of_the_bytes(reviews: Path) -> None:
    fingerprint = open_source(reviews).fingerprint()
    assert fingerprint.sha256_hex == sha256(reviews.read_bytes()).hexdigest()
    assert fingerprint.size_bytes == reviews.stat().st_size
    assert fingerprint.extendable


@pytest.mark.parametrize(
    ("name", "old", "more"),
    [
        ("r.csv", "id,t\n1,x\n", "2,y\n"),
        ("r.csv", "id,t\n1,x", "\n2,y\n"),
        ("r.csv", "id,t\r\n1,x", "\r\n2,y"),
        ("r.jsonl", '{"a":1}\n', '{"a":2}\n'),
        ("r.txt", "one\n", "two"),
    ],
)
def test_appended_rows_leave_the_old_source_a_prefix(tmp_path: Path, name: str, old: str, more: str) -> None:
    path = tmp_path / name
    path.write_text(old, newline="")
    before = open_source(path)
    known, items = before.fingerprint(), list(before.items())
    assert before.prefix_digest(known.size_bytes) == known.sha256_hex
    path.write_text(old + more, newline="")
    after = open_source(path)
    assert after.prefix_digest(known.size_bytes) == known.sha256_hex
    assert list(after.items())[: len(items)] == items


def test_a_prefix_that_ends_within_a_row_is_none(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,t\n1,xylophone\n")
    source = open_source(path)
    assert source.prefix_digest(8) is None
    assert source.prefix_digest(0) is None
    assert source.prefix_digest(10_000) is None

"""What is the same call, and what is the same batch."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.batch import (
    Limits,
    SourceMark,
    Spec,
    cap_of,
    changes,
    identity,
    refuse_low_cap,
    spec_digest,
)
from packmule.core.calls import BlobPart, Message, Request, TextPart, canonical, digest_of, parse_request
from packmule.errors import UsageError

TEXT = st.text(max_size=20)
PARTS = st.one_of(
    st.builds(TextPart, TEXT),
    st.builds(BlobPart, st.just("image/png"), TEXT, st.integers(0, 9), data=st.none() | st.binary(max_size=9)),
)
REQUESTS = st.builds(
    Request,
    models=st.lists(TEXT, max_size=3).map(tuple),
    messages=st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(PARTS, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    system=st.none() | TEXT,
    schema=st.none() | TEXT,
    max_output_tokens=st.none() | st.integers(1, 99),
    temperature=st.none() | st.floats(0, 2),
)
MARK = SourceMark("rows.csv", "ab" * 32, 10, extendable=True)


@given(REQUESTS)
def test_a_request_survives_the_journal_and_keeps_its_digest(request: Request) -> None:
    data = canonical(request)
    again = parse_request(data)
    assert again == request
    assert digest_of(canonical(again)) == digest_of(data)


@given(REQUESTS, REQUESTS)
def test_different_requests_have_different_digests(one: Request, other: Request) -> None:
    assert (one == other) == (digest_of(canonical(one)) == digest_of(canonical(other)))


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "other"},
        {"prompt": "x"},
        {"system": "x"},
        {"schema": "{}"},
        {"models": ("b",)},
        {"base_url": "https://x"},
        {"temperature": 0.5},
        {"max_output_tokens": 5},
        {"key_column": "k"},
        {"where": ("a~b",)},
        {"skip": ("a~b",)},
        {"limit": 3},
    ],
)
def test_whatever_changes_an_answer_is_another_batch(change: dict[str, object]) -> None:
    spec = Spec(recipe="prompt", models=("a",))
    other = msgspec.structs.replace(spec, **change)
    assert identity(spec, MARK) != identity(other, MARK)
    assert spec_digest(spec) != spec_digest(other)


def test_the_sources_bytes_are_part_of_it_and_its_name_is_not() -> None:
    spec = Spec(recipe="prompt")
    assert identity(spec, MARK) == identity(spec, SourceMark("moved.csv", MARK.sha256, 10))
    assert identity(spec, MARK) != identity(spec, SourceMark("rows.csv", "cd" * 32, 10))


def test_limits_are_no_part_of_it_and_their_changes_are_named() -> None:
    found = changes(Limits(), Limits(concurrency=3, max_cost=5))
    assert {(c.name, c.before, c.after) for c in found} == {("concurrency", 16, 3), ("max_cost", None, 5)}


def test_a_cap_cannot_be_lowered_below_what_is_owed_and_the_least_is_named() -> None:
    refuse_low_cap(Limits(max_cost=10**12), 10**12)
    refuse_low_cap(Limits(max_cost=1, on_budget="warn"), 10**12)
    with pytest.raises(UsageError) as caught:
        refuse_low_cap(Limits(max_cost=10**11), 10**12)
    assert "--max-cost 1.00" in caught.value.hint
    assert cap_of(Limits(max_cost=5, on_budget="warn")) is None

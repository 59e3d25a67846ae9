"""Waits and limits in headers, in every spelling; what cannot be is ignored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import RateHint
from packmule.providers import headers

NOW = {"date": "Tue, 24 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("found", "wait_s"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "60"}, 0.25),
        ({"retry-after": "86400"}, 86_400.0),
        ({**NOW, "retry-after": "Tue, 24 Nov 2026 12:01:30 GMT"}, 90.0),
        ({**NOW, "retry-after": "Tue, 24 Nov 2026 13:01:30 +0100"}, 90.0),
    ],
)
def test_a_wait_is_read_in_every_spelling(found: dict[str, str], wait_s: float) -> None:
    assert headers.retry_after_s(found) == wait_s


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"retry-after": ""},
        {"retry-after": "NaN"},
        {"retry-after": "inf"},
        {"retry-after": "-5"},
        {"retry-after": "86401"},
        {"retry-after": "1000000000"},
        {"retry-after": "1e3"},
        {"retry-after": "1_000"},
        {"retry-after": "٣"},
        {"retry-after": "soon"},
        {"retry-after": "9" * 5000},
        {"retry-after-ms": "-1", "retry-after": ""},
        {"retry-after": "Tue, 24 Nov 2026 12:01:30 GMT"},
        {**NOW, "retry-after": "Tue, 24 Nov 2026 11:59:59 GMT"},
        {**NOW, "retry-after": "Fri, 27 Nov 2026 12:00:00 GMT"},
        {"date": "yesterday", "retry-after": "Tue, 24 Nov 2026 12:01:30 GMT"},
        {**NOW, "retry-after": "Tue, 99 Nov 99999 12:01:30 GMT"},
    ],
)
def test_a_wait_that_cannot_be_is_ignored(found: dict[str, str]) -> None:
    assert headers.retry_after_s(found) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("20ms", 0.02),
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400.0),
        ("12", 12.0),
        ("0s", 0.0),
    ],
)
def test_durations_as_openai_writes_them(text: str, seconds: float) -> None:
    assert headers.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "6 m", "-1s", "1s6m", "2d", "6m0sx", "1.2.3s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert headers.duration_s(text) is None


def test_a_reset_time_counts_from_the_answers_own_date() -> None:
    found = {**NOW, "reset": "2026-11-24T12:00:45Z"}
    assert headers.reset_s(found, "reset") == 45.0
    assert headers.reset_s({"reset": "2026-11-24T12:00:45Z"}, "reset") is None
    assert headers.reset_s({**NOW, "reset": "2026-11-24T11:00:00Z"}, "reset") is None


def test_only_limits_that_are_spent_ask_for_a_wait() -> None:
    assert headers.spent_reset_s(RateHint(10, 5, 60.0, 100, 0, 7.0)) == 7.0
    assert headers.spent_reset_s(RateHint(10, 0, 60.0, 100, 0, 7.0)) == 60.0
    assert headers.spent_reset_s(RateHint(10, 5, 60.0)) is None
    assert headers.spent_reset_s(None) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date", "x"]), st.text()))
def test_no_header_breaks_the_reading(found: dict[str, str]) -> None:
    wait_s = headers.retry_after_s(found)
    assert wait_s is None or 0 <= wait_s <= 86_400
    headers.duration_s(found.get("x", ""))
    headers.reset_s(found, "x")
    headers.count(found, "x")

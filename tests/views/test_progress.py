"""One value says how a batch stands."""

from __future__ import annotations

import pytest

from packmule.views.events import event_text
from packmule.views.progress import Progress, Waits, progress_line

NOTHING = dict.fromkeys(
    ("total", "completed", "failed", "skipped", "blocked", "cancelled", "pending", "in_flight"), 0
) | dict.fromkeys(("settled", "unknown", "held", "tokens_in", "tokens_out"), 0)


def progress(**given: object) -> Progress:
    known: dict[str, object] = {"batch_id": "b", "state": "running", "reason": "", "cap": None}
    return Progress(**{**NOTHING, **known, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "0/0 | $0.00"),
        ({"total": 8, "pending": 2, "settled": 41 * 10**10}, "6/8 75% | $0.41"),
        ({"cap": 2 * 10**12, "settled": 10**12, "unknown": 10**11}, "0/0 | $1.00 of $2.00 + $0.10 unknown"),
        ({"cap": 10**12, "settled": 2 * 10**12}, "0/0 | $2.00 of $1.00 (above the cap)"),
        ({"in_flight": 3, "failed": 1, "waits": (Waits("m", 6.2, "rate limit"),)}, "waits 6s: rate limit"),
        ({"state": "paused", "reason": "disk"}, "paused: disk"),
    ],
)
def test_the_plain_line_says_counts_money_and_reasons(given: dict[str, object], line: str) -> None:
    assert line in progress_line(progress(**given))


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("limits", {"who": "x", "changes": {"max_cost": [None, 2 * 10**12]}}, "max-cost none -> $2.00"),
        ("limits", {"who": "x", "changes": {"timeout_s": [600.0, 5.0]}}, "timeout 600 -> 5"),
        ("limits", {"who": "x", "changes": {"price_in": [None, 250_000]}}, "price-in none -> $0.25"),
        ("wish", {"kind": "pause", "who": "python", "answer": "done"}, "pause (python): done"),
        ("round", {"number": 2, "model": "sim/large"}, "round 2, model sim/large"),
        ("written_off", {"amount": 10**12}, "$1.00 counted as spent"),
        ("halted", {"model": "m", "reason": "no credit"}, "m: no credit"),
        ("stopped", {"reason": "budget", "detail": "the cap is reached"}, "the cap is reached"),
        ("created", {}, ""),
    ],
)
def test_events_are_worded_for_people(kind: str, data: dict[str, object], text: str) -> None:
    assert event_text(kind, data) == text

"""What happened to a batch, in words."""

from __future__ import annotations

import pytest

from packmule.views.events import event_name, event_text


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


def test_what_somebody_asked_for_is_called_so() -> None:
    assert event_name("wish") == "asked"
    assert event_name("near_cap") == "near cap"

"""Which items a table shows."""

from __future__ import annotations

from packmule.views.lines import chosen, in_order
from packmule.views.progress import Line


def test_an_item_that_ended_since_the_runner_last_spoke_is_shown_once_as_the_figures_above_count_it() -> None:
    active = [Line(3, "c", "generating"), Line(4, "d", "generating"), Line(5, "e", "retrying")]
    done = [Line(3, "c", "completed"), Line(1, "a", "completed")]
    failed = [Line(5, "e", "failed")]
    assert [(line.key, line.state) for line in chosen(active, failed, done, 10)] == [
        ("c", "generating"),
        ("d", "generating"),
        ("e", "retrying"),
        ("a", "completed"),
    ]
    stored = [Line(3, "c", "completed"), Line(6, "f", "pending")]
    assert [(line.key, line.state) for line in in_order(stored, active)] == [("c", "generating"), ("f", "pending")]

"""Which items a table shows."""

from __future__ import annotations

from packmule.views.lines import chosen
from packmule.views.progress import Line


def test_an_item_that_ended_since_the_runner_last_spoke_is_shown_once_as_it_is_now() -> None:
    active = [Line(3, "c", "generating"), Line(4, "d", "generating"), Line(5, "e", "retrying")]
    done = [Line(3, "c", "completed"), Line(1, "a", "completed")]
    failed = [Line(5, "e", "failed")]
    assert [(line.key, line.state) for line in chosen(active, failed, done, 10)] == [
        ("d", "generating"),
        ("e", "failed"),
        ("c", "completed"),
        ("a", "completed"),
    ]

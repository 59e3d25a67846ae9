"""Which items a table shows: all in input order while they fit; else active first, failures pinned, newest done.

What the runner said goes before what the store says since then, because the figures above the table are of that moment
too. `+1,237 more` is what is left: the rows shown and the rest add up to all items.
"""

from __future__ import annotations

from collections.abc import Sequence

from packmule.views.progress import Line

FAILED_SHARE = 3
"""At most a third of the room is for failures that are over."""


def in_order(stored: Sequence[Line], active: Sequence[Line]) -> tuple[Line, ...]:
    """Every item, with what it is doing now where it is being worked on."""
    now = {line.number: line for line in active}
    return tuple(now.get(line.number, line) for line in stored)


def chosen(active: Sequence[Line], failed: Sequence[Line], done: Sequence[Line], room: int) -> tuple[Line, ...]:
    """At most `room` lines of a batch that does not fit. `failed` and `done` come newest first."""
    now = {line.number for line in active}
    pinned = [line for line in failed if line.number not in now][: max(1, room // FAILED_SHARE)]
    first = list(active)[: max(0, room - len(pinned))]
    rest = [line for line in done if line.number not in now][: max(0, room - len(first) - len(pinned))]
    return (*first, *pinned, *rest)[:room]

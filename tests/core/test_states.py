"""The state machines, every state x event."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from packmule.core.states import (
    ATTEMPT,
    BATCH,
    ITEM,
    ITEM_FINAL,
    AttemptEvent,
    AttemptState,
    BatchEvent,
    BatchState,
    IllegalMove,
    ItemEvent,
    ItemState,
    move,
)

MACHINES = {
    "item": (ITEM, get_args(ItemState), get_args(ItemEvent)),
    "batch": (BATCH, get_args(BatchState), get_args(BatchEvent)),
    "attempt": (ATTEMPT, get_args(AttemptState), get_args(AttemptEvent)),
}


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_and_event_is_in_the_table_or_refused(name: str) -> None:
    table, states, events = MACHINES[name]
    assert set(table) == set(states)
    for state, event in product(states, events):
        if event in table[state]:
            assert move(table, state, event) in states
        else:
            with pytest.raises(IllegalMove, match=event):
                move(table, state, event)
    assert {event for moves in table.values() for event in moves} <= set(events)


def test_final_items_leave_only_by_a_new_round() -> None:
    for state in ITEM_FINAL:
        assert set(ITEM[state]) <= {"reopen"}
    assert ITEM["completed"] == {}


def test_every_state_can_be_reached_and_every_batch_can_end() -> None:
    for table, start in ((ITEM, "pending"), (BATCH, "created"), (ATTEMPT, "held")):
        seen, edge = {start}, [start]
        while edge:
            for after in table[edge.pop()].values():
                if after not in seen:
                    seen.add(after)
                    edge.append(after)
        assert seen == set(table)
    assert all("cancel" in BATCH[state] for state in ("created", "running", "paused", "stopped", "failed"))


def test_money_of_an_attempt_ends_once() -> None:
    assert all(not ATTEMPT[state] for state in ("answered", "not_sent", "rejected", "reconciled", "written_off"))
    assert set(ATTEMPT["unknown"].values()) == {"reconciled", "written_off"}

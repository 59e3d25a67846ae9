"""A job's life is one table, and its lines have names that only it has."""

from __future__ import annotations

import re

import pytest

from packmule.core.jobs import JOB, OPEN, custom_id, line_of
from packmule.core.states import IllegalMove, move


def test_every_state_of_a_job_leads_to_an_end() -> None:
    for state in JOB:
        seen, front = set(), {state}
        while front:
            seen |= front
            front = {after for at in front for after in JOB[at].values()} - seen
        assert seen & {"ingested", "failed"}


def test_what_is_no_move_is_an_error() -> None:
    with pytest.raises(IllegalMove):
        move(JOB, "intended", "ingest")
    with pytest.raises(IllegalMove):
        move(JOB, "failed", "submit")


def test_open_jobs_are_those_that_may_still_bring_something() -> None:
    assert set(OPEN) == {state for state, moves in JOB.items() if moves}


def test_a_line_is_found_by_its_name_and_a_foreign_one_is_not() -> None:
    name = custom_id("pm3k9x2m4q7z", 41)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
    assert line_of("pm3k9x2m4q7z", name) == 41
    for foreign in ("pm3k9x2m4q7y-41", "pm3k9x2m4q7z-x", "pm3k9x2m4q7z-", "41", "", "pm3k9x2m4q7z-²"):
        assert line_of("pm3k9x2m4q7z", foreign) is None

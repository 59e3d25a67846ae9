"""How long jobs will still take: waves of jobs as long as those that have ended."""

from __future__ import annotations

from packmule.views.jobs_ahead import jobs_ahead

S = 1_000_000


def test_nothing_is_said_before_the_first_job_has_ended() -> None:
    assert jobs_ahead([(0, None), (0, None), (None, None)], 30 * S, 2) is None


def test_what_is_left_goes_in_waves_and_what_runs_has_an_age() -> None:
    ended, running, waiting = (0, 10 * S), (10 * S, None), (None, None)
    assert jobs_ahead([ended, running, waiting, waiting], 14 * S, 1) == 26
    assert jobs_ahead([ended, running, running, waiting, waiting], 14 * S, 2) == 16
    assert jobs_ahead([ended, waiting], 14 * S, 5) == 10


def test_a_job_that_takes_longer_than_the_others_is_due_at_any_moment() -> None:
    assert jobs_ahead([(0, 10 * S), (10 * S, None)], 900 * S, 5) == 0


def test_all_ended_is_no_time() -> None:
    assert jobs_ahead([(0, 10 * S), (0, 12 * S)], 12 * S, 5) == 0

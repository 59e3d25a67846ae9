"""The pace, the breaker and the retry rules, on time that is passed in."""

from __future__ import annotations

import math
import random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.breaker import IN_ROW, WAIT_MAX_S, Breaker
from packmule.core.calls import Fault, FaultKind, RateHint
from packmule.core.pace import Bucket, Pace
from packmule.core.retry import (
    ACTIONS,
    NAMED,
    ErrorName,
    RetryBudget,
    RetryPolicy,
    after_fault,
    backoff_s,
    gate_wait_s,
)


@pytest.mark.parametrize("limit", [1, 2, 7, 60, 500, 30_000])
@pytest.mark.parametrize("seed", range(3))
def test_no_minute_ever_holds_more_than_the_limit(limit: int, seed: int) -> None:
    chance = random.Random(seed)
    pace = Pace(10**9)
    pace.width = 10**9
    pace.requests.limit(limit, 0.0)
    went: list[float] = []
    now_s = 0.0
    while now_s < 200 and len(went) < 4000:
        wait, _ = pace.wait_s(now_s, 1)
        if wait == 0:
            pace.take(1)
            went.append(now_s)
        else:
            assert wait > 0
            assert math.isfinite(wait)
        now_s += chance.choice([0.0, 0.01, wait, wait / 2, 0.5]) if wait else chance.choice([0.0, 0.0, 0.001])
    for start in range(0, len(went), max(1, len(went) // 200)):
        inside = sum(1 for at in went[start:] if at < went[start] + 60)
        assert inside <= limit + 1e-6


def test_the_limit_is_nearly_reached_when_there_is_work() -> None:
    bucket = Bucket()
    bucket.limit(600, 0.0)
    now_s, went = 0.0, 0
    while now_s < 600:
        bucket.refill(now_s)
        wait = bucket.wait_s(1)
        if wait == 0:
            bucket.take(1)
            went += 1
        now_s += wait
    assert went >= 0.94 * 6000


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(1, 10**7), st.floats(0, 30)), max_size=30))
def test_a_large_call_waits_a_bounded_time_and_leaves_a_debt(limit: int, calls: list[tuple[int, float]]) -> None:
    bucket = Bucket()
    bucket.limit(limit, 0.0)
    now_s = 0.0
    for amount, pause in calls:
        now_s += pause
        bucket.refill(now_s)
        wait = bucket.wait_s(amount)
        assert 0 <= wait < math.inf
        now_s += wait
        bucket.refill(now_s)
        assert bucket.wait_s(amount) <= 1e-3
        bucket.take(amount)


def test_headers_correct_downwards_and_never_above_the_user() -> None:
    pace = Pace(100)
    pace.requests.limit(60, 0.0)
    pace.correct(RateHint(requests_limit=500, requests_remaining=499), 1.0, 60, None)
    assert pace.requests.per_minute == 60
    pace.correct(RateHint(requests_limit=30), 2.0, 60, None)
    assert pace.requests.per_minute == 30
    pace.correct(RateHint(tokens_limit=1000, tokens_remaining=0), 3.0, 60, None)
    assert pace.tokens.per_minute == 1000
    assert pace.wait_s(3.0, 10)[0] > 0


def test_nothing_remaining_closes_the_gate_until_the_reset() -> None:
    pace = Pace(10)
    pace.correct(RateHint(requests_limit=100, requests_remaining=0, requests_reset_s=20.0), 5.0, None, None)
    wait, why = pace.wait_s(5.0, 1)
    assert 19 < wait <= 20
    assert why == "rate limit"


def test_the_width_doubles_until_trouble_and_then_creeps() -> None:
    pace = Pace(64)
    widths = []
    for _ in range(6):
        widths.append(int(pace.width))
        pace.in_flight = int(pace.width)
        for _ in range(int(pace.width)):
            pace.on_success(1.0)
    assert widths == [4, 8, 16, 32, 64, 64]
    pace.on_trouble(10.0, started_s=9.0)
    pace.on_trouble(10.1, started_s=9.5)
    assert int(pace.width) == int(64 * 0.7)
    pace.on_trouble(20.0, started_s=15.0)
    assert int(pace.width) == int(64 * 0.7 * 0.7)
    before = pace.width
    pace.in_flight = int(pace.width)
    for _ in range(int(pace.width)):
        pace.on_success(21.0)
    assert pace.width == before + 1


def test_the_width_never_falls_below_one_and_grows_only_when_used() -> None:
    pace = Pace(16)
    for now_s in range(100):
        pace.on_trouble(float(now_s), started_s=float(now_s))
    assert pace.width == 1.0
    idle = Pace(64)
    for _ in range(500):
        idle.on_success(0.0)
    assert idle.width <= 8


def test_a_provider_that_dislikes_ramps_is_ramped_slowly() -> None:
    pace = Pace(1000, growth_per_min=2.0)
    for second in range(60):
        pace.in_flight = int(pace.width)
        for _ in range(int(pace.width)):
            pace.on_success(float(second))
    assert pace.width <= 4 + 60


def test_five_failures_in_a_row_open_the_breaker_and_one_probe_goes() -> None:
    breaker = Breaker()
    for n in range(IN_ROW):
        assert breaker.blocks(float(n)) == 0
        breaker.on_failure(float(n), "down", 0.0)
    assert breaker.blocks(4.0) == 15.0
    assert breaker.blocks(19.5) == 0
    breaker.take()
    assert breaker.blocks(19.5) == math.inf
    breaker.on_success(20.0)
    assert breaker.blocks(20.0) == 0
    assert breaker.since_s is None


def test_half_of_twenty_open_it_too_but_rate_limits_do_not() -> None:
    breaker = Breaker()
    for n in range(20):
        if n % 2:
            breaker.on_success(n / 10)
        else:
            breaker.on_failure(n / 10, "flaky", 0.0)
    breaker.on_failure(2.1, "flaky", 0.0)
    assert breaker.open_until_s is not None
    other = Breaker()
    for _ in range(100):
        other.on_neutral()
    assert other.open_until_s is None


@pytest.mark.parametrize("seed", range(5))
def test_an_hour_of_trouble_costs_at_most_sixty_probes_and_ends_soon(seed: int) -> None:
    chance, breaker, now_s, probes = random.Random(seed), Breaker(), 0.0, 0
    while now_s < 3600:
        wait = breaker.blocks(now_s)
        if wait == 0:
            breaker.take()
            probes += 1
            breaker.on_failure(now_s + 1, "529", chance.random())
            now_s += 1
        else:
            now_s += wait
    assert probes <= 60
    assert breaker.blocks(now_s) <= WAIT_MAX_S * 1.2
    # Late failures of calls that were on their way say nothing new.
    until = breaker.open_until_s
    breaker.on_failure(now_s, "late", 0.5)
    assert breaker.open_until_s == until


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_every_kind_of_fault_has_one_action(kind: Any) -> None:
    fault = Fault(kind, "unknown", "x")
    verdict = after_fault(fault, 0, RetryPolicy(), 0, 0.5)
    assert verdict.action == ACTIONS[kind]
    assert verdict.wait_s >= 0
    if verdict.action == "retry":
        assert after_fault(fault, 3, RetryPolicy(count=3), 0, 0.5).action == "fail"
        assert after_fault(fault, 0, RetryPolicy(on_unknown="hold"), 0, 0.5).action == "fail"


def test_each_wait_is_so_many_times_the_last_as_the_policy_says() -> None:
    policy = RetryPolicy(delay_s=2, factor=3)
    assert [backoff_s(nth, policy, 0.5) for nth in (1, 2, 3)] == pytest.approx([2, 6, 18])
    assert [backoff_s(nth, RetryPolicy(delay_s=2, factor=1), 0.5) for nth in (1, 9)] == pytest.approx([2, 2])
    assert backoff_s(60, RetryPolicy(delay_s=1e9, factor=1e9), 0.5) == pytest.approx(300)


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_errors_that_a_list_leaves_out_fail_at_once_but_our_own_trouble_never_does(kind: Any) -> None:
    fault = Fault(kind, "unknown", "x")
    for name in get_args(ErrorName):
        verdict = after_fault(fault, 0, RetryPolicy(errors=(name,)), 0, 0.5)
        left_out = kind in NAMED and NAMED[kind] != name
        assert verdict.action == ("fail" if left_out else ACTIONS[kind])
    assert set(NAMED.values()) == set(get_args(ErrorName))


@given(st.integers(1, 60), st.floats(0.01, 1000), st.floats(0, 0.999))
def test_backoff_doubles_within_a_tenth_and_is_bounded(nth: int, delay_s: float, jitter: float) -> None:
    wait = backoff_s(nth, RetryPolicy(delay_s=delay_s), jitter)
    assert 0 <= wait <= 330
    if delay_s * 2 ** (nth - 1) <= 300:
        assert wait == pytest.approx(delay_s * 2 ** (nth - 1), rel=0.11)


@given(st.one_of(st.none(), st.floats(0, 86_400)), st.integers(0, 10**6), st.floats(0, 0.999))
def test_gates_obey_the_provider_and_are_bounded_without_its_word(said: Any, in_row: int, jitter: float) -> None:
    wait = gate_wait_s(Fault("rate_limit", "rejected", "x", retry_after_s=said), in_row, jitter)
    if said is not None:
        assert said <= wait <= said + 1
    else:
        assert 0.5 <= wait <= 60


def test_retries_stay_under_a_tenth_of_the_traffic_and_ten_a_minute_always_go() -> None:
    budget = RetryBudget()
    now_s, retries = 0.0, 0
    for _ in range(10_000):
        budget.on_first_attempt()
    while budget.wait_s(now_s) == 0:
        budget.take()
        retries += 1
    assert retries <= 1000 + 10
    later = 0
    while now_s < 600:
        wait = budget.wait_s(now_s)
        now_s += wait
        if wait == 0:
            budget.take()
            later += 1
    assert 90 <= later <= 111

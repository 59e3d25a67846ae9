"""The forecast of the end: silent while it cannot know, a range afterwards, and never nonsense."""

from __future__ import annotations

import heapq
import json
import math
import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packmule.core.durations import Durations, Sample, fit, sample_of
from packmule.core.eta import Forecast, History, forecast, history_of
from packmule.core.pulse import KEPT, ActiveTime, Pulse, PulseFacts, group_sizes

SECONDS = st.floats(0, 1e5)
HISTORIES = st.none() | st.builds(History, item_s=st.floats(0.001, 1e4), slots=st.floats(0.5, 1e3))


@st.composite
def facts_of_any_session(draw: st.DrawFn) -> PulseFacts:
    """Any ends at any times, any durations, any ages, asked any time later."""
    pulse, now_s = Pulse(), 0.0
    for gap_s, duration_s in draw(st.lists(st.tuples(SECONDS, SECONDS), max_size=40)):
        now_s += gap_s
        pulse.finished(now_s, duration_s)
    return pulse.facts(now_s + draw(SECONDS), draw(st.lists(SECONDS, max_size=20)))


def session(count: int, slots: int = 8, sigma: float = 0.5, median_s: float = 5.0) -> tuple[Pulse, float, list[float]]:
    """`count` items ended, the slots are full: (pulse, now, when those on their way began)."""
    chance = random.Random(1)
    pulse, now_s = Pulse(), 0.0
    on_way = [(median_s * math.exp(chance.gauss(0, sigma)), 0.0) for _ in range(slots)]
    heapq.heapify(on_way)
    for _ in range(count):
        now_s, began_s = heapq.heappop(on_way)
        pulse.finished(now_s, now_s - began_s)
        heapq.heappush(on_way, (now_s + median_s * math.exp(chance.gauss(0, sigma)), now_s))
    return pulse, now_s, [began_s for _, began_s in on_way]


def told(pulse: Pulse, now_s: float, begun_s: list[float], remaining: int, slots: int = 8) -> Forecast:
    found = forecast(pulse.facts(now_s, [now_s - at_s for at_s in begun_s]), remaining, slots)
    assert found is not None
    return found


@settings(max_examples=150, deadline=None)
@given(facts_of_any_session(), st.integers(0, 10**6), st.integers(1, 5000), HISTORIES)
def test_low_likely_and_high_are_in_order_and_never_nonsense(facts, remaining, slots, history) -> None:
    found = forecast(facts, remaining, slots, history)
    if found is not None:
        assert 0 <= found.low_s <= found.likely_s <= found.high_s
        assert math.isfinite(found.high_s)


@settings(max_examples=100, deadline=None)
@given(facts_of_any_session(), st.integers(1, 2000), st.integers(1, 200), HISTORIES)
def test_one_item_more_never_ends_sooner(facts, remaining, slots, history) -> None:
    fewer, more = forecast(facts, remaining, slots, history), forecast(facts, remaining + 1, slots, history)
    assert (fewer is None) == (more is None)
    if fewer is not None and more is not None:
        assert more.likely_s >= fewer.likely_s * (1 - 1e-6)
        assert more.high_s >= fewer.high_s * (1 - 1e-6)


@settings(max_examples=50, deadline=None)
@given(facts_of_any_session(), HISTORIES)
def test_nothing_left_takes_no_time(facts, history) -> None:
    found = forecast(facts, 0, 8, history)
    assert found is None or (found.low_s, found.likely_s, found.high_s) == (0, 0, 0)


def test_estimating_before_eight_items_and_before_twenty_seconds() -> None:
    pulse = Pulse()
    for n in range(7):
        pulse.finished(1.0 + n, 1.0)
    assert forecast(pulse.facts(8.0, [1.0]), 100, 2) is None
    late = forecast(pulse.facts(20.0, [1.0]), 100, 2)
    assert late is not None
    pulse.finished(8.5, 1.0)
    known = forecast(pulse.facts(8.5, [1.0]), 100, 2)
    assert known is not None
    assert known.basis == "session"


def test_time_alone_tells_nothing() -> None:
    assert forecast(Pulse().facts(300.0, [300.0] * 4), 100, 4) is None


def test_a_steady_batch_is_told_right() -> None:
    pulse, now_s, begun_s = session(100)
    found = told(pulse, now_s, begun_s, 100)
    real_s = 100 * 5.0 * math.exp(0.125) / 8
    assert found.low_s < real_s < found.high_s
    assert found.likely_s == pytest.approx(real_s, rel=0.25)
    assert found.high_s < 2 * found.low_s


def test_more_at_once_ends_sooner() -> None:
    one, eight = session(100, slots=1), session(100, slots=8)
    assert told(*one, 100, 1).likely_s > 5 * told(*eight, 100).likely_s


def test_items_that_vary_more_make_a_wider_range() -> None:
    calm, wild = told(*session(100, sigma=0.2), 100), told(*session(100, sigma=1.2), 100)
    assert wild.high_s / wild.low_s > 1.5 * calm.high_s / calm.low_s


def test_the_last_wave_takes_as_long_as_its_slowest_item() -> None:
    pulse, now_s, _ = session(100, sigma=0.3)
    fresh = told(pulse, now_s, [now_s] * 8, 8)
    assert fresh.likely_s > 5.5, "not 8 items at 8 items per 5 s"
    assert told(pulse, now_s, [now_s - 4.0] * 8, 8).likely_s < fresh.likely_s
    assert told(pulse, now_s, [now_s] * 2, 2).likely_s < fresh.likely_s


def test_fewer_left_than_on_their_way_is_borne() -> None:
    pulse, now_s, begun_s = session(100)
    assert 0 < told(pulse, now_s, begun_s, 3).likely_s <= told(pulse, now_s, begun_s, 8).likely_s


def test_the_latest_items_tell_the_pace() -> None:
    pulse, now_s = Pulse(), 0.0
    for n in range(200):
        now_s += 1.0 if n < 100 else 2.0
        pulse.finished(now_s, 8.0 if n < 100 else 16.0)
    found = told(pulse, now_s, [now_s - 2.0 * n for n in range(8)], 100)
    assert found.likely_s == pytest.approx(200, rel=0.1)


def test_a_pace_that_moves_makes_a_wider_range() -> None:
    ranges = []
    for late_s in (1.0, 3.0):
        pulse, now_s = Pulse(), 0.0
        for n in range(60):
            now_s += 1.0 if n < 39 else late_s
            pulse.finished(now_s, 8.0)
        found = told(pulse, now_s, [now_s] * 8, 60)
        ranges.append(found.high_s / found.low_s)
    assert ranges[1] > 1.3 * ranges[0]


def test_a_limit_of_requests_counts_not_the_slots() -> None:
    pulse = Pulse()
    for n in range(30):
        pulse.finished(10.0 * n + 3.0, 3.0)
    found = told(pulse, 293.0, [], 30, 64)
    assert found.likely_s == pytest.approx(300, rel=0.1), "one item every 10 s, whatever the slots would allow"


def test_a_stall_raises_the_estimate_and_the_range_second_by_second() -> None:
    pulse, now_s, begun_s = session(100)
    seen = [told(pulse, now_s + wait_s, begun_s, 100) for wait_s in (0, 30, 60, 120, 600)]
    assert seen[-1].likely_s > seen[0].likely_s + 500
    for before, after in pairwise(seen):
        assert after.likely_s > before.likely_s
        assert after.high_s - after.low_s > before.high_s - before.low_s


def test_a_stall_that_is_over_leaves_no_trace() -> None:
    pulse, now_s, begun_s = session(100)
    before = told(pulse, now_s, begun_s, 100)
    later_s = now_s + 600
    for at_s in begun_s:
        pulse.finished(later_s, later_s - at_s)
    assert told(pulse, later_s, [later_s] * 8, 92).likely_s < 1.3 * before.likely_s


def test_a_silence_that_chance_explains_is_no_stall() -> None:
    pulse, now_s, begun_s = session(100)
    assert pulse.facts(now_s + 2.0, [now_s + 2.0 - at_s for at_s in begun_s]).stall_s == 0


def test_paused_time_does_not_count() -> None:
    time = ActiveTime(began_s=1000.0)
    assert time.at(1010.0) == 10.0
    time.pause(1010.0)
    time.pause(1500.0)
    assert time.at(5000.0) == 10.0
    time.unpause(8000.0)
    time.unpause(8001.0)
    assert time.at(8005.0) == 15.0


def test_a_pause_changes_no_forecast() -> None:
    seen = []
    for pause_s in (0.0, 3600.0):
        time, pulse, now_s = ActiveTime(0.0), Pulse(), 0.0
        for n in range(40):
            if n == 20:
                time.pause(now_s)
                now_s += pause_s
                time.unpause(now_s)
            now_s += 1.0
            pulse.finished(time.at(now_s), 4.0)
        seen.append(forecast(pulse.facts(time.at(now_s), [1.0, 2.0, 3.0, 0.0]), 60, 4))
    assert seen[0] == seen[1]


def test_history_gives_the_first_guess() -> None:
    found = forecast(Pulse().facts(0.0, []), 100, 8, History(item_s=8.0, slots=8))
    assert found is not None
    assert found.basis == "history"
    assert found.low_s < 100 < found.high_s
    assert found.likely_s == pytest.approx(100, rel=0.3)


def test_history_never_promises_more_slots_than_there_are() -> None:
    wide, narrow = (forecast(Pulse().facts(0.0, []), 100, slots, History(8.0, 8)) for slots in (8, 2))
    assert wide is not None
    assert narrow is not None
    assert narrow.likely_s > 3 * wide.likely_s


def test_a_wrong_history_is_soon_outweighed() -> None:
    wrong = History(item_s=1.0, slots=8)
    first = forecast(Pulse().facts(0.0, []), 200, 8, wrong)
    pulse, now_s, begun_s = session(100)
    ages_s = [now_s - at_s for at_s in begun_s]
    later = forecast(pulse.facts(now_s, ages_s), 100, 8, wrong)
    assert first is not None
    assert later is not None
    assert later.basis == "session"
    assert later.likely_s == pytest.approx(told(pulse, now_s, begun_s, 100).likely_s, rel=0.25)


def test_a_history_without_a_first_end_is_doubted_as_time_goes_by() -> None:
    seen = [forecast(Pulse().facts(now_s, [now_s] * 8), 100, 8, History(2.0, 8)) for now_s in (1.0, 10.0, 60.0)]
    likely = [found.likely_s for found in seen if found is not None]
    assert likely == sorted(likely)
    assert likely[2] > 3 * likely[0]


def test_a_session_hands_its_pace_to_the_next_batch() -> None:
    pulse, now_s, _ = session(200)
    history = history_of(pulse.facts(now_s, []))
    assert history is not None
    assert history.item_s == pytest.approx(5.0 * math.exp(0.125), rel=0.15)
    assert history.slots == pytest.approx(8, rel=0.1)
    assert history_of(Pulse().facts(50.0, [])) is None


def test_items_that_fail_at_once_do_not_blow_up_the_range() -> None:
    pulse = Pulse()
    for n in range(100):
        pulse.finished(n / 2, 0.001 if n % 4 == 0 else 5.0)
    found = told(pulse, 49.5, [49.5 - 0.6 * n for n in range(8)], 100)
    assert found.low_s < 50 < found.likely_s < 75
    assert found.high_s < 150


def test_memory_is_bounded_and_old_items_still_count_in_the_sums() -> None:
    pulse = Pulse()
    for n in range(5 * KEPT):
        pulse.finished(float(n), 2.0 if n < KEPT else 4.0)
    facts = pulse.facts(5.0 * KEPT, [])
    assert len(pulse.latest) == KEPT + 1
    assert facts.finished == 5 * KEPT
    assert facts.mean_s == pytest.approx(3.6)


@given(st.integers(0, 5000))
def test_groups_add_up_and_are_few(count: int) -> None:
    sizes = group_sizes(count)
    assert sum(sizes) == count
    assert len(sizes) <= 14
    assert all(size > 0 for size in sizes)


def test_facts_go_through_json_and_stay_small() -> None:
    pulse, now_s, _ = session(1000, slots=200)
    facts = pulse.facts(now_s, [float(n) for n in range(200)])
    text = msgspec.json.encode(facts)
    assert msgspec.json.decode(text, type=PulseFacts) == facts
    assert len(text) < 800
    assert json.loads(text)["finished"] == 1000


def test_unfinished_items_make_durations_longer() -> None:
    logs = [math.log(x_s) for x_s in (2.0, 3.0, 4.0)]
    alone, with_others = fit(sample_of(logs), []), fit(sample_of(logs), [(4.0, 5)])
    assert with_others.mean_s > alone.mean_s
    assert alone.log_mean == pytest.approx(sum(logs) / 3)


def test_what_lasts_beyond_experience_may_last_as_long_again() -> None:
    durations = Durations(math.log(5.0), 0.3, 0.3)
    assert durations.still(10_000.0, 10_000.0) == pytest.approx(0.5)
    assert durations.still(0.0, 5.0) == pytest.approx(0.5)


def test_samples_join_as_if_they_were_one() -> None:
    logs = [0.5, 1.0, 2.5, 3.0, 0.1]
    whole, joined = sample_of(logs), sample_of(logs[:2]).joined(sample_of(logs[2:]))
    assert joined.log_mean == pytest.approx(whole.log_mean)
    assert joined.log_sd == pytest.approx(whole.log_sd)
    assert sample_of([]) == Sample(0, 0.0, 0.0)

"""Every fault leads to what it should: who waits, what spends a retry, what stops the batch, what stays owed."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits
from packmule.core.calls import Answer, Fault, FaultKind, Outcome, Received
from packmule.core.endings import Ending
from packmule.core.ports import Rejection
from packmule.core.states import ITEM
from packmule.errors import CallRejected
from packmule.store import batches, reads
from packmule.testing import ScriptedEndpoint, SimClock
from tests.engine.harness import Bench, one_call, three_calls

Say = Callable[[str, int], Any]
OUTAGE_S = 86_400 if os.environ.get("PACKMULE_PROOF") else 7_200


def provider(say: Say, latency_s: float = 0.5, **more: Any) -> Callable[[SimClock], list[ScriptedEndpoint]]:
    return lambda clock: [ScriptedEndpoint(clock, say, latency_s=lambda: latency_s, **more)]


def first_fault(kind: FaultKind, outcome: Outcome, times: int = 1, **more: Any) -> Say:
    return lambda text, nth: Fault(kind, outcome, f"a {kind}", **more) if nth < times else f"ok {text}"


def attempts(bench: Bench, seq: int = 0) -> list[Any]:
    return reads.journal(bench.store, bench.batch, seq).attempts


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("connect", "not_sent"), ("rate_limit", "rejected"), ("overloaded", "rejected")],
)
def test_what_was_not_processed_only_waits_and_spends_no_retry(tmp_path: Path, kind: Any, outcome: Any) -> None:
    bench = Bench(tmp_path, one_call, ["a"], Limits(retry_count=0))
    assert bench.run(provider(first_fault(kind, outcome, 3))).reason == "done"
    assert bench.row.completed == 1
    assert [a.state for a in attempts(bench)] == [outcome] * 3 + ["answered"]
    assert bench.row.unknown == 0
    bench.check_books()


@pytest.mark.parametrize("kind", ["server_error", "timeout", "reset", "cut", "malformed"])
def test_what_may_have_been_billed_spends_a_retry_and_stays_owed(tmp_path: Path, kind: Any) -> None:
    bench = Bench(tmp_path, one_call, ["a"], Limits(retry_count=2))
    assert bench.run(provider(first_fault(kind, "unknown", 2))).reason == "done"
    assert [a.state for a in attempts(bench)] == ["unknown", "unknown", "answered"]
    assert bench.row.unknown == sum(a.worst for a in attempts(bench)[:2])
    bench.check_books()


def test_retries_run_out_and_the_item_fails_with_the_reason(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, ["a"], Limits(retry_count=2, retry_delay_s=1))
    bench.run(provider(first_fault("timeout", "unknown", 9)))
    (result,) = reads.results(bench.store, bench.batch)
    assert (result.state, result.reason, result.attempts) == ("failed", "a timeout", 3)


def test_the_wait_before_a_retry_doubles(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, ["a"], Limits(retry_count=3, retry_delay_s=5))
    bench.run(provider(first_fault("server_error", "unknown", 3), latency_s=0.0))
    begun = [a.started_at / 1e6 for a in attempts(bench)]
    waits = [later - earlier for earlier, later in pairwise(begun)]
    for wait, expected in zip(waits, (5, 10, 20), strict=True):
        assert expected * 0.85 <= wait <= expected * 1.2


def test_hold_never_asks_again_what_may_have_been_billed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, ["a"], Limits(on_unknown="hold"))
    bench.run(provider(first_fault("timeout", "unknown", 1)))
    assert [a.state for a in attempts(bench)] == ["unknown"]
    assert bench.row.failed == 1


def test_a_retry_after_gates_the_whole_bucket(tmp_path: Path) -> None:
    limited = {"done": False}

    def say(text: str, nth: int) -> Any:
        del nth
        if text == "t3" and not limited["done"]:
            limited["done"] = True
            return Fault("rate_limit", "rejected", "429", retry_after_s=120.0)
        return "ok"

    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(30)], Limits(concurrency=4))
    bench.run(provider(say))
    begun = sorted(a.started_at / 1e6 for seq in range(30) for a in attempts(bench, seq))
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert max(gaps) >= 119
    assert bench.row.completed == 30


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_a_wrong_key_or_an_empty_purse_stops_the_batch_and_fails_nothing(tmp_path: Path, kind: Any) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(20)], Limits(concurrency=4))
    ending = bench.run(provider(first_fault(kind, "rejected", 99)))
    assert (ending.state, ending.reason) == ("stopped", "auth")
    assert bench.row.pending == 20
    assert sum(len(attempts(bench, seq)) for seq in range(20)) <= 8
    assert bench.run(provider(lambda *_: "ok")).reason == "done"
    bench.check_books()


def test_twenty_refusals_alike_without_a_success_halt_the_batch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(200)], Limits(concurrency=4))
    ending = bench.run(provider(first_fault("invalid_request", "rejected", 9)))
    assert (ending.state, ending.reason) == ("failed", "refused")
    assert 20 <= bench.row.failed <= 24
    assert bench.row.pending == 200 - bench.row.failed


def test_one_poisoned_item_fails_alone(tmp_path: Path) -> None:
    def say(text: str, nth: int) -> Any:
        del nth
        return Fault("invalid_request", "rejected", "400 no") if text == "t5" else "ok"

    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(40)], Limits(concurrency=4))
    assert bench.run(provider(say)).reason == "done"
    assert (bench.row.completed, bench.row.failed) == (39, 1)


def test_hours_without_the_provider_fail_nothing_and_probe_little(tmp_path: Path) -> None:
    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        def say(text: str, nth: int) -> Any:
            del text, nth
            down = 100 < clock.now_s() < 100 + OUTAGE_S
            return Fault("overloaded", "rejected", "529 busy") if down else "ok"

        made.append(ScriptedEndpoint(clock, say, latency_s=lambda: 2.0))
        return made

    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(900)], Limits(concurrency=8))
    assert bench.run(endpoints).reason == "done"
    row = bench.row
    assert (row.completed, row.failed) == (900, 0)
    assert sum(made[0].sent.values()) - 900 <= 20 + OUTAGE_S / 240
    assert row.ended_at is not None
    assert row.started_at is not None
    assert (row.ended_at - row.started_at) / 1e6 <= 100 + OUTAGE_S + 360 + 300


def test_an_outage_limit_ends_the_wait(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(50)], Limits(concurrency=8, outage_limit_s=600))
    ending = bench.run(provider(first_fault("connect", "not_sent", 10**6)))
    assert (ending.state, ending.reason) == ("stopped", "outage")
    assert "has not answered" in ending.detail
    assert bench.row.pending == 50


def test_another_named_model_takes_over_while_the_first_is_down_or_refused(tmp_path: Path) -> None:
    for number, fault in enumerate(("overloaded", "auth")):

        async def recipe(item: Any, ask: Any) -> str:
            return (await ask(item["text"], models=["sim/first", "sim/second"])).model

        def endpoints(clock: SimClock, fault: Any = fault) -> list[ScriptedEndpoint]:
            bad = ScriptedEndpoint(clock, lambda *_: Fault(fault, "rejected", "no"), model="sim/first")
            return [bad, ScriptedEndpoint(clock, model="sim/second", latency_s=lambda: 1.0)]

        folder = tmp_path / str(number)
        folder.mkdir()
        bench = Bench(folder, recipe, [f"t{n}" for n in range(30)], Limits(concurrency=4))
        assert bench.run(endpoints).reason == "done"
        assert {json.loads(bytes(r.output or b"")) for r in reads.results(bench.store, bench.batch)} == {"sim/second"}
        bench.check_books()


class Numbers:
    """A schema: the answer must be a whole number."""

    canonical = b'{"type":"integer"}'

    def check(self, answer: Answer) -> int:
        if not answer.text.strip().isdigit():
            message = f"{answer.text!r} is not a number"
            raise Rejection(message)
        return int(answer.text)

    def parse(self, value: int) -> int:
        return value


def test_an_invalid_answer_is_asked_again_with_the_reason_and_is_paid_for(tmp_path: Path) -> None:
    heard: list[str] = []

    def say(text: str, nth: int) -> str:
        del nth
        heard.append(text)
        return "seven" if len(heard) < 3 else "7"

    async def recipe(item: Any, ask: Any) -> Any:
        return await ask(item["text"], schema=Numbers())

    bench = Bench(tmp_path, recipe, ["how many?"], Limits(retries_invalid=2))
    bench.run(provider(say))
    (result,) = reads.results(bench.store, bench.batch)
    assert (result.state, bytes(result.output or b""), result.attempts) == ("completed", b"7", 3)
    assert "'seven' is not a number" in heard[1]
    calls = reads.journal(bench.store, bench.batch, 0).calls
    assert [call.ended for call in calls] == ["rejected", "rejected", "accepted"]
    bench.check_books()


def test_re_asks_end_and_the_item_fails_with_the_last_reason(tmp_path: Path) -> None:
    seen: list[BaseException] = []

    async def recipe(item: Any, ask: Any) -> Any:
        try:
            return await ask(item["text"], schema=Numbers())
        except CallRejected as error:
            seen.append(error)
            raise

    bench = Bench(tmp_path, recipe, ["how many?"], Limits(retries_invalid=1))
    bench.run(provider(lambda *_: "many"))
    (result,) = reads.results(bench.store, bench.batch)
    assert (result.state, result.reason, result.attempts) == ("failed", "'many' is not a number", 2)
    assert len(seen) == 1


def test_a_check_of_the_users_own_accepts_refuses_or_is_at_fault(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> str:
        def check(text: str) -> str | None:
            if item.seq == 2:
                return str(1 // 0)
            return None if item.seq == 0 or "again" in text else "say again"

        return (await ask(item["text"], check=check)).text

    bench = Bench(tmp_path, recipe, ["a", "b", "c"])
    bench.run(provider(lambda text, _: "again" if "not accepted" in text else "once"))
    found = list(reads.results(bench.store, bench.batch))
    assert [r.state for r in found] == ["completed", "completed", "failed"]
    assert [r.attempts for r in found] == [1, 2, 1]
    assert "the check raised ZeroDivisionError" in (found[2].reason or "")


@pytest.mark.parametrize(
    ("finish", "text", "says"),
    [
        ("refusal", "I will not", "the model refused"),
        ("content_filter", "", "content filter"),
        ("length", "", "cut at"),
    ],
)
def test_refusals_and_empty_answers_are_said(tmp_path: Path, finish: Any, text: str, says: str) -> None:
    class Refusing(ScriptedEndpoint):
        def decode(self, received: Received) -> Answer | Fault:
            answer = super().decode(received)
            assert isinstance(answer, Answer)
            return Answer(text, finish, answer.usage)

    bench = Bench(tmp_path, one_call, ["a"], Limits(retries_invalid=0))
    bench.run(lambda clock: [Refusing(clock)])
    (result,) = reads.results(bench.store, bench.batch)
    assert result.state == "failed"
    assert says in (result.reason or "")


def test_a_cut_answer_is_kept_and_said(tmp_path: Path) -> None:
    class Cut(ScriptedEndpoint):
        def decode(self, received: Received) -> Answer | Fault:
            del received
            return Answer("half a sen", "length", None)

    bench = Bench(tmp_path, one_call, ["a"])
    bench.run(lambda clock: [Cut(clock)])
    (result,) = reads.results(bench.store, bench.batch)
    assert result.state == "completed"
    assert "cut at the output bound" in (result.reason or "")


def test_a_recipes_own_timeout_never_cancels_an_attempt_and_its_answer_is_kept(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> str:
        try:
            async with asyncio.timeout(1):
                return (await ask("slow")).text
        except TimeoutError:
            return "too slow"

    bench = Bench(tmp_path, recipe, ["a"])
    bench.run(provider(lambda *_: "late", latency_s=10))
    (attempt,) = attempts(bench)
    assert attempt.state == "answered"
    assert reads.journal(bench.store, bench.batch, 0).calls[0].ended == "accepted"
    (result,) = reads.results(bench.store, bench.batch)
    assert bytes(result.output or b"") == b'"too slow"'
    assert result.cost > 0
    bench.check_books()


@pytest.mark.parametrize(
    ("way", "says"),
    [("raise", "ValueError: no"), ("output", "TypeError"), ("cancel", "cancelled itself"), ("exit", "SystemExit")],
)
def test_a_recipe_that_misbehaves_fails_its_item_only(tmp_path: Path, way: str, says: str) -> None:
    async def recipe(item: Any, ask: Any) -> Any:
        await ask(item["text"])
        if item.seq != 1:
            return "fine"
        if way == "raise":
            message = "no"
            raise ValueError(message)
        if way == "cancel":
            raise asyncio.CancelledError
        if way == "exit":
            raise SystemExit(3)
        return object()

    bench = Bench(tmp_path, recipe, ["a", "b", "c"])
    assert bench.run(provider(lambda *_: "ok")).reason == "done"
    found = list(reads.results(bench.store, bench.batch))
    assert [r.state for r in found] == ["completed", "failed", "completed"]
    assert says in (found[1].reason or "")


def test_stop_lets_what_is_on_its_way_finish_and_begins_nothing_new(tmp_path: Path) -> None:
    async def steer(runner: Any) -> None:
        await asyncio.sleep(5)
        runner.stop(Ending("stopped", "person"))

    bench = Bench(tmp_path, three_calls, [f"t{n}" for n in range(50)], Limits(concurrency=4))
    ending = bench.run(provider(lambda *_: "ok", latency_s=3.0), steer=steer)
    assert ending.reason == "person"
    states = [a.state for seq in range(50) for a in attempts(bench, seq)]
    assert set(states) == {"answered"}
    stopped_at = max(a.started_at for seq in range(50) for a in attempts(bench, seq))
    assert stopped_at <= SimClock.START_US + 5_100_000
    assert bench.run(provider(lambda *_: "ok")).reason == "done"
    bench.check_books()


def test_drop_counts_what_is_on_its_way_as_unknown(tmp_path: Path) -> None:
    async def steer(runner: Any) -> None:
        await asyncio.sleep(5)
        runner.drop()

    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(50)], Limits(concurrency=4))
    ending = bench.run(provider(lambda *_: "ok", latency_s=60.0), steer=steer)
    assert ending.reason == "person"
    states = [a.state for seq in range(50) for a in attempts(bench, seq)]
    assert states == ["unknown"] * 4
    assert bench.row.unknown > 0
    bench.check_books()


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def steer(runner: Any) -> None:
        await asyncio.sleep(1)
        runner.stop(Ending("stopped", "person"))

    bench = Bench(tmp_path, one_call, ["a"], Limits(timeout_s=10**6))
    assert bench.run(provider(lambda *_: "ok", latency_s=10**5), steer=steer).reason == "person"
    assert [a.state for a in attempts(bench)] == ["unknown"]


def test_a_recipe_that_swallows_its_cancellation_is_unwound_all_the_same(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> str:
        for n in range(100):
            try:
                await ask(f"{item['text']} {n}")
            except asyncio.CancelledError:
                continue
        return "never stored"

    async def steer(runner: Any) -> None:
        await asyncio.sleep(5)
        runner.stop(Ending("stopped", "person"))

    bench = Bench(tmp_path, recipe, ["a", "b"], Limits(concurrency=1))
    assert bench.run(provider(lambda *_: "ok", latency_s=2.0), steer=steer).reason == "person"
    assert bench.row.pending == 2


def test_wishes_through_the_store_are_answered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(60)], Limits(concurrency=2, max_cost=10**12))
    paused: list[int] = []

    def wish(kind: str, **data: Any) -> int:
        return batches.wish(bench.store, bench.batch, kind, data, "test", 0)

    async def answer(number: int) -> str:
        while True:
            row = bench.store.one("wish", (number,))
            if row is not None and row[0] is not None:
                return str(row[1])
            await asyncio.sleep(0.1)

    async def steer(runner: Any) -> None:
        await asyncio.sleep(3)
        assert await answer(wish("pause", reason="a look")) == "done"
        await asyncio.sleep(2)
        paused.append(len([a for seq in range(60) for a in attempts(bench, seq)]))
        assert bench.row.state == "paused"
        await asyncio.sleep(60)
        paused.append(len([a for seq in range(60) for a in attempts(bench, seq)]))
        assert await answer(wish("limits", concurrency=8, max_cost=2 * 10**12)) == "done"
        assert (await answer(wish("limits", max_cost=1))).startswith("refused: the cap")
        assert (await answer(wish("limits", concurrency="many"))).startswith("refused")
        assert (await answer(wish("dance"))).startswith("refused")
        assert await answer(wish("unpause")) == "done"
        await asyncio.sleep(4)
        assert await answer(wish("stop")) == "done"

    ending = bench.run(provider(lambda *_: "ok", latency_s=1.0), steer=steer)
    assert ending.reason == "person"
    assert paused[0] == paused[1]
    assert bench.row.limits.concurrency == 8
    assert bench.row.cap == 2 * 10**12
    kinds = [kind for _, _, kind, _ in reads.events(bench.store, bench.batch)]
    assert {"paused", "running", "limits", "wish", "stopped"} <= set(kinds)


def test_cancel_ends_the_batch_for_good(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, [f"t{n}" for n in range(20)], Limits(concurrency=2))

    async def steer(runner: Any) -> None:
        del runner
        batches.wish(bench.store, bench.batch, "cancel", {}, "test", 0)
        await asyncio.sleep(0)

    assert bench.run(provider(lambda *_: "ok", latency_s=5.0), steer=steer).state == "cancelled"


def test_a_wish_that_comes_too_late_does_not_stop_the_next_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, one_call, ["one", "two"], Limits(concurrency=2))
    refused = provider(lambda *_: Fault("invalid_request", "rejected", "no"))
    assert bench.run(refused).reason == "done"
    late = batches.wish(bench.store, bench.batch, "stop", {"reason": "person"}, "test", 0)
    assert bench.retry() == 2
    assert bench.run(provider(lambda *_: "ok")).reason == "done"
    assert bench.row.completed == 2
    assert str((bench.store.one("wish", (late,)) or ("", ""))[1]).startswith("too late")


@pytest.mark.parametrize("seed", range(6))
def test_states_are_told_in_legal_order_and_limits_on_live_work_hold(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    live: list[int] = []

    def say(text: str, nth: int) -> Any:
        del text
        if chance.random() < 0.2 and nth < 3:
            return Fault("timeout", "unknown", "late")
        return Fault("rate_limit", "rejected", "429") if chance.random() < 0.1 else "ok"

    async def steer(runner: Any) -> None:
        while True:
            live.append(len(runner.runs))
            await asyncio.sleep(0.5)

    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        made.append(ScriptedEndpoint(clock, say, latency_s=lambda: chance.lognormvariate(0, 1)))
        return made

    bench = Bench(tmp_path, three_calls, [f"t{n}" for n in range(80)], Limits(concurrency=5))
    assert bench.run(endpoints, seed=seed, steer=steer).reason == "done"
    by_item: dict[int, list[str]] = {}
    for change in bench.changes:
        by_item.setdefault(change.seq, []).append(change.state)
    for states in by_item.values():
        for before, after in zip(["pending", *states], states, strict=False):
            assert after == before or after in ITEM[before].values()
    assert max(live) <= 10
    assert made[0].in_flight_max <= 5
    bench.check_books()


def test_a_learned_gate_outlives_the_process(tmp_path: Path) -> None:
    async def steer(runner: Any) -> None:
        await asyncio.sleep(10)
        runner.stop(Ending("stopped", "person"))

    bench = Bench(tmp_path, one_call, ["a", "b"], Limits(concurrency=1))
    bench.run(provider(first_fault("rate_limit", "rejected", 9, retry_after_s=3600.0)), steer=steer)
    bench.run(provider(lambda *_: "ok"))
    row = bench.row
    assert row.completed == 2
    assert row.ended_at is not None
    assert row.ended_at - SimClock.START_US >= 3_580 * 1_000_000

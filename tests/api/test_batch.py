"""`packmule.Batch`, from Python: in a script, inside a running loop, in the background."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel

import packmule
from packmule.core.states import ITEM

TEXTS = [f"The lamp number {n} is bright, but its box was torn." for n in range(12)]


class Verdict(BaseModel):
    """What a review comes to."""

    sentiment: str
    score: int


def batch(folder: Path, items: Any = None, **more: Any) -> packmule.Batch:
    more.setdefault("prompt", "Summarise in one line: {text}")
    if "recipe" in more:
        del more["prompt"]
    more.setdefault("model", "sim/small")
    more.setdefault("output", folder / "out")
    return packmule.Batch(TEXTS if items is None else items, store=folder / "store.db", **more)


def slow(folder: Path, median_s: float = 0.2) -> Path:
    scenario = folder / "slow.toml"
    scenario.write_text(f"[latency]\nmedian_s = {median_s}\nsigma = 0.1\n")
    return scenario


def test_results_come_in_input_order_one_an_item(tmp_path: Path) -> None:
    found = batch(tmp_path).run()
    assert found.complete
    assert len(found) == 12
    assert [r.seq for r in found] == list(range(12))
    assert [r.output for r in found] == TEXTS
    assert "12 completed" in repr(found)


def test_the_same_call_again_costs_nothing(tmp_path: Path) -> None:
    first = batch(tmp_path).run()
    second = batch(tmp_path).run()
    assert second.batch.id == first.batch.id
    assert second.batch.attempts == first.batch.attempts
    assert [r.output for r in second] == [r.output for r in first]


def test_it_runs_inside_a_running_loop_and_as_a_coroutine(tmp_path: Path) -> None:
    async def main() -> tuple[int, int]:
        inside = batch(tmp_path, TEXTS[:3]).run()
        awaited = await batch(tmp_path, TEXTS[:4]).arun()
        return len(inside), len(awaited)

    assert asyncio.run(main()) == (3, 4)


def test_a_recipe_may_be_a_function_and_returns_any_json(tmp_path: Path) -> None:
    async def recipe(item: Any, ask: Any) -> dict[str, Any]:
        first = await ask(item["text"])
        second = await ask(f"Again: {first.text}")
        return {"first": first.text, "again": second.text, "at": item.seq}

    found = list(batch(tmp_path, TEXTS[:3], recipe=recipe).run())
    assert [r.output["at"] for r in found] == [0, 1, 2]
    assert {r.attempts for r in found} == {2}


def test_a_pydantic_schema_gives_values_of_its_shape(tmp_path: Path) -> None:
    found = list(batch(tmp_path, TEXTS[:3], schema=Verdict).run())
    for result in found:
        Verdict.model_validate(result.output)


def test_every_state_change_is_told_once_in_legal_order(tmp_path: Path) -> None:
    seen: dict[int, list[str]] = {}
    batch(tmp_path, on_change=lambda change: seen.setdefault(change.seq, []).append(change.state)).run()
    assert len(seen) == 12
    for states in seen.values():
        assert states[-1] == "completed"
        for before, after in zip(["pending", *states], states, strict=False):
            assert after in ITEM[before].values()


def test_a_handle_pauses_resumes_and_waits_from_any_thread(tmp_path: Path) -> None:
    handle = batch(tmp_path, sim_scenario=slow(tmp_path), concurrency=2).start()
    handle.pause("a look")
    paused = handle.progress
    assert paused.state == "paused"
    assert paused.done + paused.pending == paused.total == 12
    handle.resume()
    found = handle.wait(30)
    assert found.complete
    kinds = [event["kind"] for event in handle.events()]
    assert kinds[0] == "created"
    assert kinds[-1] == "completed"
    assert "paused" in kinds


def test_stop_keeps_what_is_done_and_the_same_call_goes_on(tmp_path: Path) -> None:
    handle = batch(tmp_path, sim_scenario=slow(tmp_path, 0.3), concurrency=2).start()
    handle.stop()
    found = handle.wait(30)
    assert not found.complete
    assert found.batch.state == "stopped"
    again = batch(tmp_path, sim_scenario=slow(tmp_path, 0.0), concurrency=8).run()
    assert again.complete
    assert again.batch.id == found.batch.id
    assert sum(r.attempts for r in again) == 12


def test_waiting_has_a_timeout(tmp_path: Path) -> None:
    handle = batch(tmp_path, sim_scenario=slow(tmp_path, 0.5), concurrency=1).start()
    with pytest.raises(TimeoutError, match="still running"):
        handle.wait(0.1)
    handle.stop(now=True)
    handle.wait(30)


def test_money_needs_a_cap_or_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1234567890")
    with pytest.raises(packmule.ConsentNeeded):
        batch(tmp_path, model="openai/gpt-5-mini").run()


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(packmule.SourceError, match="no column"):
        batch(tmp_path, prompt="Say {nothing}").run()
    with pytest.raises(packmule.UsageError, match="not an async function"):
        batch(tmp_path, recipe=lambda item, ask: None).run()
    with pytest.raises(packmule.UsageError, match="max_cost"):
        batch(tmp_path, max_cost=-1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"limit": True}, "limit must be a whole number"),
        ({"limit": 2.5}, "limit must be a whole number"),
        ({"limit": "2"}, "limit must be a whole number"),
        ({"limit": 10**30}, "limit .* too large"),
        ({"max_output_tokens": 2.5}, "max_output_tokens must be a whole number"),
        ({"system": 5}, "system must be text"),
        ({"system": "\udc80"}, "half a character"),
        ({"prompt": 5}, "prompt must be text"),
        ({"key": 5}, "key must be text"),
        ({"where": 5}, "where must be text, or several"),
        ({"base_url": 5}, "base_url must be text"),
        ({"model": ["sim/small"]}, "models must be text"),
        ({"output": 5}, "output must be a path"),
        ({"sim_scenario": 5}, "sim_scenario must be a path"),
        ({"recipe": 5}, "not an async function"),
        ({"on_change": 5}, "on_change must be a function"),
    ],
)
def test_a_wrong_argument_is_named_and_harms_no_other_batch(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(packmule.UsageError, match=says):
        batch(tmp_path, **given).run()
    assert batch(tmp_path).run().complete


def test_a_single_model_may_stand_for_several(tmp_path: Path) -> None:
    assert batch(tmp_path, model=None, models="sim/small").run().complete


def test_an_interrupt_drains_and_returns_what_there_is(tmp_path: Path) -> None:
    script = f"""
import packmule
done = packmule.Batch({TEXTS!r}, prompt="Summarise: {{text}}", model="sim/small", max_cost=1, concurrency=2,
                      store="store.db", output="out", sim_scenario={str(slow(tmp_path, 0.4))!r})
print("go", flush=True)
row = done.run().batch
print(row.state, row.held, row.unknown)
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped 0 0\n"
    assert process.returncode == 0


def test_a_stop_after_the_end_means_nothing_to_the_next_run(tmp_path: Path) -> None:
    handle = batch(tmp_path, sim_scenario=slow(tmp_path), concurrency=1).start()
    handle.stop()
    handle.wait()
    handle.stop()
    handle.pause()
    assert batch(tmp_path, sim_scenario=slow(tmp_path, 0.01), concurrency=1).run().complete


def test_frames_go_in_and_come_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "text": TEXTS[:2]})
    found = batch(tmp_path, frame).run()
    assert list(found.to_pandas()["key"]) == ["x", "y"]
    assert found.to_polars()["status"].to_list() == ["completed", "completed"]
    other = batch(tmp_path, pl.DataFrame({"text": TEXTS[:3]})).run()
    assert len(other) == 3


def test_results_are_written_where_asked(tmp_path: Path) -> None:
    found = batch(tmp_path, TEXTS[:2]).run()
    assert found.to_jsonl(tmp_path / "mine").read_text().count("\n") == 2
    assert found.to_csv(tmp_path / "mine.csv").read_text().startswith("seq,key,")
    assert (tmp_path / "out" / "results.jsonl").exists()


def test_generators_and_keyed_rows_are_items_too(tmp_path: Path) -> None:
    found = batch(tmp_path, ((f"k{n}", {"text": text}) for n, text in enumerate(TEXTS[:3]))).run()
    assert [r.key for r in found] == ["k0", "k1", "k2"]


def test_two_batches_share_one_store_in_one_process(tmp_path: Path) -> None:
    one = batch(tmp_path, TEXTS[:5], sim_scenario=slow(tmp_path, 0.1)).start()
    two = batch(tmp_path, TEXTS[5:], sim_scenario=slow(tmp_path, 0.1)).start()
    assert one.batch_id != two.batch_id
    assert one.wait(30).complete
    assert two.wait(30).complete


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"concurrency": "16"}, "concurrency must be a number"),
        ({"concurrency": 2.5}, "concurrency: Expected `int`"),
        ({"on_budget": "ignore"}, "on_budget: Invalid enum value"),
        ({"rpm": 0}, "rpm 0 is too small"),
        ({"price_in": 1}, "price_in and price_out go together"),
        ({"max_cost": -1}, "max_cost -1"),
    ],
)
def test_limits_are_plain_parameters_and_bad_ones_are_named(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(packmule.UsageError, match=says):
        batch(tmp_path, **given)


def test_dollars_a_million_are_what_prices_are_given_in(tmp_path: Path) -> None:
    found = batch(tmp_path, TEXTS[:2], price_in=1, price_out="2.50").run()
    used = [(r.tokens_in, r.tokens_out, float(r.cost_usd)) for r in found]
    assert all(cost == pytest.approx((a * 1 + b * 2.5) / 1e6) for a, b, cost in used)
    assert "completed" in repr(found)


def test_a_cancelled_coroutine_stops_its_batch_and_frees_the_loop_at_once(tmp_path: Path) -> None:
    made = batch(tmp_path, sim_scenario=slow(tmp_path, 2.0), concurrency=2)

    async def main() -> float:
        task = asyncio.create_task(made.arun())
        await asyncio.sleep(1.0)
        task.cancel()
        began = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(main()) < 1.5
    assert made.run().complete


def test_only_what_is_meant_for_people_is_listed() -> None:
    assert set(dir(packmule)) == set(packmule.__all__)


def test_settings_files_are_the_command_lines_and_every_limit_is_a_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packmule.yaml").write_text("defaults: {concurrency: 3, nonsense: 1}\n")
    (tmp_path / "bad.toml").write_text("[faults]\nstatus_500 = 1.0\n")
    rules = {"retry_on": ("timeout",), "retry_backoff": 3.0, "retry_delay": 0.0}
    found = batch(tmp_path, TEXTS[:2], sim_scenario=tmp_path / "bad.toml", **rules).run()
    assert [r.attempts for r in found] == [1, 1]
    assert (found.batch.limits.concurrency, found.batch.limits.retry_backoff) == (16, 3.0)
    with pytest.raises(packmule.UsageError, match="retry_on"):
        batch(tmp_path, retry_on=("nonsense",))

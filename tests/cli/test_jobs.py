"""Jobs mode as a person types it, against the three batch APIs over HTTP: half the price, nothing lost or twice."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from packmule.sim.bill import read_bill
from tests.cli.command import PROMPT, packmule, results, rows, start

KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "sk-nobody-1234567890")
MODELS = {
    "openai/gpt-5-mini": "/v1",
    "anthropic/claude-haiku-4-5": "",
    "gemini/gemini-2.5-flash": "",
}


@contextmanager
def provider(folder: Path, scenario: str = "[jobs]\nduration_s = 0.2\n") -> Iterator[str]:
    (folder / "sim.toml").write_text(scenario)
    sim = start(folder, "sim", "serve", "--port", "0", "--scenario", "sim.toml", "--bill", "bill.jsonl")
    assert sim.stdout is not None
    try:
        yield sim.stdout.readline().strip()
    finally:
        sim.terminate()
        sim.communicate(timeout=30)


def log(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/sim/log") as answer:
        return dict(json.load(answer))


def standing(folder: Path) -> dict[str, Any]:
    return dict(json.loads(packmule(folder, "status", "--json").out)["cost"])


def words(url: str, model: str, *more: str) -> tuple[str, ...]:
    place = ("run", "rows.csv", "--prompt", PROMPT, "--model", model, "--base-url", f"{url}{MODELS[model]}")
    return (*place, "--mode", "jobs", "--job-linger", "0.3", "--max-cost", "5", "-o", "out", *more)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_goes_through_jobs_at_half_price_and_the_books_equal_the_bill(tmp_path: Path, model: str) -> None:
    rows(tmp_path, 25)
    with provider(tmp_path) as url:
        said = packmule(tmp_path, *words(url, model, "--items-per-job", "10", "--json"), env=KEYS)
        assert said.code == 0, said.err
        asked = log(url)
    assert sorted(job["lines"] for job in asked["jobs"]) == [5, 10, 10]
    assert "call" not in asked["asked"]
    assert [result["status"] for result in results(tmp_path / "out")] == ["completed"] * 25
    bill = read_bill(tmp_path / "bill.jsonl")
    assert bill.calls == 25
    assert standing(tmp_path)["settled_usd"] == f"{bill.cost_pico / 1e12:.12f}".rstrip("0")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_jobs_go_on_without_us_and_are_fetched_later(tmp_path: Path, model: str, number: signal.Signals) -> None:
    rows(tmp_path, 30)
    with provider(tmp_path, "[jobs]\nduration_s = 6\n") as url:
        run = start(tmp_path, *words(url, model, "--items-per-job", "10", "--progress", "log"), env=KEYS)
        until = time.monotonic() + 60
        while len(log(url)["jobs"]) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        run.send_signal(number)
        _, err = run.communicate(timeout=60)
        if number == signal.SIGINT:
            assert "Jobs go on at their provider" in err
        again = packmule(tmp_path, "resume", env=KEYS)
        assert again.code == 0, again.err
        assert len(log(url)["jobs"]) == 3
    bill = read_bill(tmp_path / "bill.jsonl")
    assert (bill.calls, max(bill.by_request.values())) == (30, 1)
    assert [result["status"] for result in results(tmp_path / "out")] == ["completed"] * 30


def test_cancel_ends_the_jobs_too_and_waits_for_the_providers_word(tmp_path: Path) -> None:
    rows(tmp_path, 20)
    with provider(tmp_path, "[jobs]\nduration_s = 60\n") as url:
        run = start(tmp_path, *words(url, "openai/gpt-5-mini", "--progress", "log"), env=KEYS)
        until = time.monotonic() + 60
        while not log(url)["jobs"] and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        said = packmule(tmp_path, "cancel", env=KEYS)
        assert said.code == 0, said.err
        assert "cancelled" in said.err
    assert standing(tmp_path)["held_usd"] == "0.00"


def test_a_provider_without_batch_jobs_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    said = packmule(
        tmp_path,
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "groq/llama-3.3-70b-versatile",
        "--mode",
        "jobs",
        "--max-cost",
        "1",
        env={"GROQ_API_KEY": "gsk-nobody-1234567890"},
    )
    assert said.code == 2
    assert "has no batch jobs" in said.lines[0]

"""The short forms of the benchmarks run with the tests: they judge promises, not speed."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.command import CLEAN, ROOT


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, f"bench/{script}", "--short"], cwd=ROOT, env=CLEAN, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_real_command_killed_again_and_again_keeps_every_promise() -> None:
    said = run("crash.py")
    assert said.count("lost answers                    0") == 2
    assert said.count("cap overshot                    0") == 2


def test_a_big_batch_costs_no_more_memory_than_it_may() -> None:
    said = run("scale.py")
    assert "20,000" in said
    assert "first call" in said


def test_citations_lie_where_they_should_and_invented_values_are_caught() -> None:
    said = run("extract.py")
    assert said.count("  ok") == 3
    assert "MISSED" not in said


def test_the_forecast_of_the_end_keeps_its_bars() -> None:
    said = run("eta.py")
    assert said.count("ok    ") == 4
    assert "MISSED" not in said

"""Some items first, and then the question whether to go on, from a person's side."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import MODEL, PROMPT, packmule, results, rows, slow, start
from tests.cli.terminal import Terminal

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--progress", "log")
PILOT = (*RUN, "--pilot", "6")


def done(folder: Path) -> list[dict[str, Any]]:
    return [r for r in results(folder / "out") if r["status"] == "completed"]


def test_without_a_terminal_and_without_consent_it_stops_after_the_pilot(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    said = packmule(tmp_path, *PILOT)
    assert said.code == 5, said.err
    assert "Pilot: 6 items first" in said.err
    assert re.search(r"Measured on 6 items: <?\$0\.0\d+ an item, no failures", said.err)
    spent, rest, in_all = (
        float(found[1])
        for line in (r"so far   <?\$(\S+) spent", r"the rest about <?\$(\S+) for 34 more", r"in all   about <?\$(\S+)")
        if (found := re.search(line, said.err))
    )
    assert abs(spent + rest - in_all) < 0.0002
    assert "a cap is consent" in said.err
    assert re.search(r"latency  p50 \S+, p95 \S+", said.err)
    assert said.err.count("  output   a") == 2
    resume = re.search(r"packmule (resume batch-\S+)", said.err)
    assert resume
    assert len(done(tmp_path)) == 6
    assert packmule(tmp_path, *resume[1].split()).code == 0
    assert [r["attempts"] for r in done(tmp_path)] == [1] * 40


def test_the_same_command_comes_back_to_the_question_and_pays_nothing_twice(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    packmule(tmp_path, *PILOT)
    again = packmule(tmp_path, *PILOT)
    assert again.code == 5
    assert "Measured on 6 items" in again.err
    assert len(done(tmp_path)) == 6
    agreed = packmule(tmp_path, *PILOT, "--yes")
    assert agreed.code == 0, agreed.err
    assert [r["attempts"] for r in done(tmp_path)] == [1] * 40


@pytest.mark.parametrize("consent", [("--max-cost", "1"), ("--yes",)])
def test_with_consent_it_goes_on_by_itself_after_it_has_shown_the_figures(
    tmp_path: Path, consent: tuple[str, ...]
) -> None:
    rows(tmp_path, 40)
    said = packmule(tmp_path, *PILOT, *consent)
    assert said.code == 0, said.err
    assert said.err.index("Measured on 6 items") < said.err.index("finished: 40 of 40 done")
    assert [r["attempts"] for r in done(tmp_path)] == [1] * 40


def test_a_cap_that_only_warns_is_no_consent_to_the_rest(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    said = packmule(tmp_path, *PILOT, "--max-cost", "1", "--on-budget", "warn")
    assert said.code == 5
    assert "Nobody has agreed to the other 34 items" in said.err
    assert "a budget only warns" in said.err
    assert len(done(tmp_path)) == 6


def test_the_pilot_is_spread_from_short_to_long(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n" + "".join(f"a{n},{'long ' * n}end\n" for n in range(60)))
    packmule(tmp_path, *PILOT)
    assert [r["key"] for r in done(tmp_path)] == ["a5", "a15", "a25", "a35", "a45", "a55"]


def test_a_pilot_of_everything_is_the_run_itself(tmp_path: Path) -> None:
    rows(tmp_path, 5)
    said = packmule(tmp_path, *PILOT)
    assert said.code == 0, said.err
    assert "Measured" not in said.err


def test_a_pilot_counts_its_failures(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    (tmp_path / "bad.toml").write_text('[[fail]]\npattern = "number [0-9]+ "\nstatus = 400\n')
    said = packmule(tmp_path, *PILOT, "--sim-scenario", "bad.toml")
    assert said.code == 5
    assert "an item, 6 failures" in said.err
    assert "failed   6 x invalid_request: the provider answered 400" in said.err
    assert "packmule errors batch-" in said.err


def test_a_person_at_a_terminal_is_asked_and_may_say_no_and_later_yes(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = (*RUN[:-2], "--pilot", "6", "--max-cost", "1")
    with Terminal(tmp_path, *words) as terminal:
        terminal.wait_for("Go on with the other 34, about", "? [y/N]")
        assert terminal.restored
        terminal.press("n\n")
        assert terminal.end() == 5
    assert len(done(tmp_path)) == 6
    assert "stopped (pilot)" in packmule(tmp_path, "show").out
    with Terminal(tmp_path, *words) as terminal:
        terminal.wait_for("Measured on 6 items", "Go on with the other 34")
        terminal.press("y\n")
        assert terminal.end() == 0
        assert terminal.restored
    assert [r["attempts"] for r in done(tmp_path)] == [1] * 40


def test_a_killed_pilot_goes_on_with_the_same_command(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = (*PILOT, *slow(tmp_path, 1.0), "--concurrency", "2")
    process = start(tmp_path, *words)
    end = time.monotonic() + 30
    while time.monotonic() < end and not re.search(r"\b[2-5] of 40 done", packmule(tmp_path, "show").out):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    said = packmule(tmp_path, *words)
    assert said.code == 5, said.err
    assert "Measured on 6 items" in said.err
    assert len(done(tmp_path)) == 6


def test_a_pilot_over_http_goes_on_with_a_cap(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    sim = start(tmp_path, "sim", "serve", "--port", "0")
    assert sim.stdout is not None
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": sim.stdout.readline().strip() + "/v1"}
    words = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini", "-o", "out", "--pilot", "6")
    nobody = packmule(tmp_path, *words, env=env)
    capped = packmule(tmp_path, *words, "--max-cost", "5", env=env)
    sim.terminate()
    sim.communicate()
    assert nobody.code == 2
    assert capped.code == 0, capped.err
    assert "Measured on 6 items" in capped.err
    assert [r["attempts"] for r in done(tmp_path)] == [1] * 40


def test_a_pilot_of_nothing_is_refused(tmp_path: Path) -> None:
    rows(tmp_path, 4)
    assert packmule(tmp_path, *RUN, "--pilot", "0").code == 2


def test_in_the_background_a_pilot_needs_consent_beforehand(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    said = packmule(tmp_path, *PILOT, "--detach")
    assert said.code == 2
    assert "nobody is there to answer" in said.err
    assert packmule(tmp_path, *PILOT, "--detach", "--max-cost", "1").code == 0
    assert packmule(tmp_path, "wait").code == 0
    assert len(done(tmp_path)) == 40


def test_records_of_a_pilot_end_with_its_code(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    said = packmule(tmp_path, *PILOT, "--json")
    assert said.code == 5
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert (lines[0]["event"], lines[-1]["event"], lines[-1]["exit_code"]) == ("launch", "done", 5)
    assert lines[-1]["counts"]["completed"] == 6


def test_enough_that_is_done_is_the_pilot_even_of_a_run_that_was_killed(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    process = start(tmp_path, *RUN, *slow(tmp_path, 0.5), "--concurrency", "4")
    end = time.monotonic() + 30
    while time.monotonic() < end and not re.search(r"\b([89]|1\d) of 40 done", packmule(tmp_path, "show").out):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    said = packmule(tmp_path, *PILOT)
    assert said.code == 5, said.err
    assert "Pilot: " not in said.err
    assert re.search(r"Measured on \d+ items", said.err)
    assert "stopped (pilot)" in packmule(tmp_path, "show").out

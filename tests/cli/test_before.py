"""What is said and asked before money is spent, from a person's side."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import CLEAN, MODEL, PROMPT, packmule, results, rows, slow, start

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out")
PAID = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini")
# A session leader that opens a terminal has it as its own, so that Ctrl+C is a signal to it.
OWN_TERMINAL = """
import os, sys
os.open(os.ttyname(0), os.O_RDWR)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
BOUND = ("--max-output-tokens", "60", "--concurrency", "2")


def stopped_by_budget(folder: Path) -> str:
    rows(folder, 30)
    said = packmule(folder, *RUN, *BOUND, "--max-cost", "0.0007")
    assert said.code == 4, said.err
    return said.err


def test_a_cap_that_is_not_given_again_stays(tmp_path: Path) -> None:
    stopped_by_budget(tmp_path)
    said = packmule(tmp_path, *RUN, *BOUND)
    assert said.code == 4
    assert "the cap $0.0007 stays" in said.err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert float(summary["cost_usd"]) <= 0.0007 == float(summary["cap_usd"])


def test_a_budget_stop_names_a_cap_that_lets_it_go_on(tmp_path: Path) -> None:
    err = stopped_by_budget(tmp_path)
    found = re.search(r"a cap of at least \$(\d+\.\d+)", err)
    assert found, err
    before = sum(r["status"] == "completed" for r in results(tmp_path / "out"))
    packmule(tmp_path, *RUN, *BOUND, "--max-cost", found[1])
    assert sum(r["status"] == "completed" for r in results(tmp_path / "out")) > before


def test_what_is_left_is_priced_when_a_batch_goes_on(tmp_path: Path) -> None:
    err = stopped_by_budget(tmp_path)
    assert re.search(r"\d+ items left, about .*\$0\.0\d+ at the price of those done", err)
    said = packmule(tmp_path, *RUN, *BOUND, "--max-cost", "1", "--dry-run")
    assert said.code == 0
    assert "resuming batch-" in said.err
    assert re.search(r"\d+ items left, about .*; cap \$1\.00", said.err)
    assert "First prompt" not in said.err
    assert any(r["status"] == "skipped" for r in results(tmp_path / "out"))


def test_a_dry_run_of_a_finished_batch_says_so_and_writes_nothing(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    packmule(tmp_path, *RUN)
    (tmp_path / "out" / "results.csv").unlink()
    said = packmule(tmp_path, *RUN, "--dry-run")
    assert said.code == 0
    assert "finished already" in said.err
    assert not (tmp_path / "out" / "results.csv").exists()


def test_an_extension_is_estimated_by_its_new_rows_alone(tmp_path: Path) -> None:
    path = rows(tmp_path, 9)
    packmule(tmp_path, *RUN)
    with path.open("a") as file:
        file.write("new1,The very last lamp\n")
    said = packmule(tmp_path, *RUN, "--dry-run")
    assert "extending batch-" in said.err
    assert "The very last lamp" in said.err
    assert "\n1 item, about" in said.err


def test_empty_cells_and_a_prompt_without_a_column_are_said(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n1,hello\n2,\n3,  \n")
    assert "{text} is empty in 2 rows" in packmule(tmp_path, *RUN, "--dry-run").err
    plain = packmule(tmp_path, "run", "rows.csv", "--prompt", "Say hello", *MODEL, "--dry-run")
    assert "names no {column}" in plain.err


def test_an_empty_prompt_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,task\n1,Say hello\n2,\n")
    said = packmule(tmp_path, "run", "rows.csv", *MODEL, "-o", "out")
    assert said.code == 3
    empty = results(tmp_path / "out")[1]
    assert (empty["status"], empty["attempts"], empty["cost_usd"]) == ("failed", 0, "0.00")
    assert "prompt is empty" in empty["reason"]


def test_the_high_estimate_is_what_the_ledger_would_hold(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    said = packmule(tmp_path, *RUN, "--max-output-tokens", "100000", "--dry-run")
    high = re.search(r"\$([\d.]+) high", said.err)
    assert high, said.err
    cap = float(high[1])
    assert packmule(tmp_path, *RUN, "--max-output-tokens", "100000", "--max-cost", f"{cap - 0.01:.2f}").code == 4
    assert packmule(tmp_path, *RUN, "--max-output-tokens", "100000", "--max-cost", f"{cap + 0.01:.2f}").code == 0


def test_a_recipe_that_does_not_say_its_calls_is_estimated_for_one_and_says_so(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "mine.py").write_text("async def recipe(item, ask):\n    return await ask(item['text'])\n")
    said = packmule(tmp_path, "run", "rows.csv", "--recipe", "mine.py:recipe", *MODEL, "--dry-run")
    assert "First row:" in said.err
    assert "calls_max" in said.err


def test_an_edited_recipe_is_said_before_old_answers_are_taken_for_its_own(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    recipe = tmp_path / "mine.py"
    recipe.write_text("async def recipe(item, ask):\n    return await ask(item['text'])\n")
    words = ("run", "rows.csv", "--recipe", "mine.py:recipe", *MODEL, "-o", "out")
    assert "has changed" not in packmule(tmp_path, *words).err
    assert "has changed" not in packmule(tmp_path, *words).err
    recipe.write_text("async def recipe(item, ask):\n    return await ask('Now ' + item['text'])\n")
    said = packmule(tmp_path, *words)
    assert "recipe's file has changed" in said.err
    assert "--fresh" in said.err


def test_limits_given_to_a_finished_batch_are_said_to_change_nothing(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN)
    assert "change nothing" in packmule(tmp_path, *RUN, "--concurrency", "3").err


def test_results_of_another_batch_are_not_replaced_without_a_word(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN)
    said = packmule(tmp_path, "run", "rows.csv", "--prompt", "Other: {text}", *MODEL, "-o", "out")
    assert said.code == 0
    back = re.search(r"packmule export (batch-\S+) -o FILE", said.err)
    assert back, said.err
    assert packmule(tmp_path, "export", back[1], "-o", "old.jsonl").code == 0
    assert len((tmp_path / "old.jsonl").read_text().splitlines()) == 2


def test_an_output_folder_that_cannot_be_made_leaves_no_batch_behind(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "out").write_text("in the way")
    assert packmule(tmp_path, *RUN).code == 6
    assert "no batch" in packmule(tmp_path, "list").err


def test_a_cap_that_only_warns_does_warn(tmp_path: Path) -> None:
    rows(tmp_path, 8)
    said = packmule(tmp_path, *RUN, "--max-cost", "0.0001", "--on-budget", "warn")
    assert said.code == 0
    assert "Warning: " in said.err
    assert "the budget $0.0001 (which only warns)" in said.err
    assert "which only warns" in packmule(tmp_path, "show").out


def test_what_was_on_its_way_at_a_kill_is_said_before_it_is_resumed(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    process = start(tmp_path, *RUN, *slow(tmp_path, 1.0), "--concurrency", "4", "--progress", "quiet")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and "0.00 held" in (packmule(tmp_path, "show").out or "0.00 held"):
        time.sleep(0.1)
    process.kill()
    process.communicate()
    said = packmule(tmp_path, "unknown")
    assert "on their way when the last run was killed" in said.err
    assert "packmule resume batch-" in said.err


@pytest.mark.parametrize(("typed", "code", "says"), [(b"\x03", 130, "interrupted"), (b"n\n", 2, "not agreed")])
def test_a_person_who_is_asked_may_refuse(tmp_path: Path, typed: bytes, code: int, says: str) -> None:
    rows(tmp_path, 2)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, "-m", "packmule", *PAID],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**CLEAN, "OPENAI_API_KEY": "sk-canary-0000000000", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"Spend it?" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, typed)
    while process.poll() is None or says.encode() not in seen:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
    assert process.wait(20) == code
    assert says in seen.decode()
    assert "Aborted" not in seen.decode()
    assert "likely" in seen.decode()


def test_a_dry_run_needs_no_key_and_prices_the_dearest_model(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    ask = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-nano", "--dry-run")
    one = packmule(tmp_path, *ask)
    two = packmule(tmp_path, *ask, "--model", "openai/gpt-5")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    high = [float(re.search(r"\$([\d.]+) high", said.err)[1]) for said in (one, two)]  # type: ignore[index]
    assert high[1] > 10 * high[0]
    assert packmule(tmp_path, *ask[:-1], "--max-cost", "1").code == 6


def test_a_warning_in_place_of_a_cap_is_no_consent_when_a_batch_goes_on(tmp_path: Path) -> None:
    rows(tmp_path, 5)
    ask = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini", "-o", "out")
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert packmule(tmp_path, *ask, "--max-cost", "0.0001", env=env).code == 4
    said = packmule(tmp_path, *ask, "--on-budget", "warn", env=env)
    assert said.code == 2
    assert "nobody has agreed" in said.err
    assert "5 items" in said.err


def test_an_endpoint_declared_free_says_nothing_of_another_model(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "bad.toml").write_text("[[fail]]\npattern = 'lamp'\nstatus = 400\n")
    sim = start(tmp_path, "sim", "serve", "--port", "0", "--scenario", "bad.toml")
    assert sim.stdout is not None
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": sim.stdout.readline().strip() + "/v1"}
    ask = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/mine", "--free")
    assert packmule(tmp_path, *ask, env=env).code == 3
    said = packmule(tmp_path, "retry", "--model", "openai/unheard-of", env=env)
    assert said.code == 6, said.err
    assert "price" in said.err
    paid = packmule(tmp_path, "retry", "--model", "openai/gpt-5", "--max-cost", "0.0001", env=env)
    assert paid.code == 4, paid.err
    again = packmule(tmp_path, "retry", env=env)
    sim.terminate()
    sim.communicate()
    assert again.code == 0
    assert "nothing to retry" in again.err
    assert "2 still to do: packmule resume" in again.err


def test_a_budget_that_only_warns_is_called_no_cap_when_it_is_no_consent(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    said = packmule(tmp_path, *PAID, "--budget", "5", env=env)
    assert said.code == 2
    assert "high; budget $5.00 (which only warns)" in said.err
    assert "nobody has agreed" in said.err
    assert "budget only warns, so add --yes, or let it stop" in said.err
    assert "cap" not in said.err


def test_the_money_of_show_is_in_dollars(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN, "--max-cost", "1")
    money = next(line for line in packmule(tmp_path, "show").out.splitlines() if line.startswith("  money"))
    assert re.fullmatch(r"  money    \$0\.0\d+ settled, \$0\.00 unknown, \$0\.00 held; cap \$1\.00", money), money


def test_an_answer_of_one_token_costs_no_less_than_the_low_estimate(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n" + "".join(f"{n},Yes\n" for n in range(400)))
    words = ("run", "rows.csv", "--prompt", "{text}", *MODEL, "--max-output-tokens", "1", "-o", "out")
    bound = re.search(r"\$([\d.]+) low", packmule(tmp_path, *words[:-4], "--dry-run").err)
    assert bound
    packmule(tmp_path, *words)
    assert float(json.loads((tmp_path / "out" / "summary.json").read_text())["cost_usd"]) >= float(bound[1])


def test_what_was_written_off_does_not_raise_the_price_of_what_is_left(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    process = start(tmp_path, *RUN, *slow(tmp_path, 1.0), "--concurrency", "4", "--progress", "quiet")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not re.search(r"\b[4-9] of 40 done", packmule(tmp_path, "show").out):
        time.sleep(0.1)
    packmule(tmp_path, "stop", "--now")
    process.communicate()
    before = re.search(r"left, about (\S+) at", packmule(tmp_path, *RUN, "--dry-run").err)
    assert before
    assert packmule(tmp_path, "unknown", "--write-off").code == 0
    after = re.search(r"left, about (\S+) at", packmule(tmp_path, *RUN, "--dry-run").err)
    assert after
    assert after[1] == before[1]

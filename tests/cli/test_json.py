"""`--json`: standard output holds records and nothing else, whatever a recipe prints."""

from __future__ import annotations

import json
import shlex
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import MODEL, PROMPT, packmule, results, rows, slow, start

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--json")


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_writes_launch_progress_and_done(tmp_path: Path) -> None:
    rows(tmp_path, 12)
    said = packmule(tmp_path, *RUN, *slow(tmp_path, 0.5), "--concurrency", "4")
    found = records(said.out)
    assert said.code == 0
    assert [found[0]["event"], found[-1]["event"]] == ["launch", "done"]
    assert all(r["v"] == 1 and r["at"].endswith("Z") for r in found)
    assert {"batch_id", "pid", "store", "total", "pending"} <= set(found[0])
    for progress in found[1:-1]:
        counts = dict(progress["counts"])
        assert counts.pop("total") == 12 == sum(counts.values())
        assert isinstance(progress["cost"]["settled_usd"], str)
    done = found[-1]
    assert (done["exit_code"], done["state"], done["counts"]["completed"]) == (0, "completed", 12)
    spent = sum(Decimal(r["cost_usd"]) for r in results(tmp_path / "out"))
    assert Decimal(done["cost"]["settled_usd"]) == spent
    assert all((tmp_path / path).exists() for path in done["outputs"])


def test_a_print_in_a_recipe_does_not_spoil_it(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "noisy.py").write_text(
        "import os\nasync def recipe(item, ask):\n    print('noise')\n    os.write(1, b'more noise\\n')\n"
        "    return (await ask(item['text'])).text\n"
    )
    said = packmule(tmp_path, "run", "rows.csv", "--recipe", "noisy.py:recipe", *MODEL, "-o", "out", "--json")
    assert [r["event"] for r in records(said.out)][-1] == "done"
    assert "noise" in said.err


def test_a_refusal_is_one_record_with_its_kind(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, "run", "rows.csv", "--prompt", "Say {nothing}", *MODEL, "--json")
    (error,) = records(said.out)
    assert said.code == 2
    assert error["error"]["kind"] == "source_error"
    assert "nothing" in error["error"]["message"]
    assert error["error"]["retryable"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "rows.csv", "--nope"), "no such option: --nope"),
        (("run", "rows.csv", "--limit", "few"), "'--limit'"),
        (("run", "rows.csv", "--progress", "loud"), "'--progress'"),
        (("show",), "no such option: --json"),
        (("nonsense",), "nonsense"),
    ],
)
def test_words_that_are_not_understood_are_one_record_too(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, *words, "--json")
    (error,) = records(said.out)
    assert said.code == 2 == error["error"]["exit_code"]
    assert error["error"]["kind"] == "usage_error"
    assert says in error["error"]["message"]
    assert len([line for line in said.lines if line.startswith("packmule: ")]) == 1


def test_a_slip_in_a_settings_file_is_one_record_too(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "packmule.yaml").write_text("defaults:\n  modle: x\n")
    said = packmule(tmp_path, *RUN)
    (error,) = records(said.out)
    assert said.code == 2
    assert "defaults.modle" in error["error"]["message"]


def test_a_dry_run_is_one_record_of_its_estimate(tmp_path: Path) -> None:
    rows(tmp_path, 12)
    said = packmule(tmp_path, *RUN, "--dry-run", "--max-cost", "2")
    (found,) = records(said.out)
    assert said.code == 0
    assert (found["event"], found["items"], found["batch_id"]) == ("estimate", 12, None)
    low, likely, high, cap = (Decimal(found["cost"][f"{name}_usd"]) for name in ("low", "likely", "high", "cap"))
    assert 0 < low <= likely <= high
    assert cap == 2
    assert found["price"]["source"] == "sim"
    assert "The lamp number 0" in found["first_prompt"]
    assert not (tmp_path / "out").exists()


def test_a_finished_batch_says_its_last_record_again(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    (tmp_path / "bad.toml").write_text("[[fail]]\npattern = 'number 1'\nstatus = 400\n")
    words = (*RUN, "--sim-scenario", "bad.toml", "--checkpoint", "c.json")
    first = records(packmule(tmp_path, *words).out)[-1]
    assert first["exit_code"] == 3
    for again in (words, ("resume", "--json"), ("run", "--resume", "c.json", "--json")):
        said = packmule(tmp_path, *again)
        (done,) = records(said.out)
        assert said.code == 3, said.err
        assert {**done, "at": ""} == {**first, "at": ""}
    (dry,) = records(packmule(tmp_path, *words, "--dry-run").out)
    assert (dry["items"], dry["batch_id"]) == (0, first["batch_id"])


def test_what_is_read_comes_as_records_too(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    packmule(tmp_path, *RUN[:-1])
    (listed,) = records(packmule(tmp_path, "list", "--json").out)
    assert [item["counts"]["completed"] for item in listed["items"]] == [3]
    assert listed["truncated"] is False
    (status,) = records(packmule(tmp_path, "status", "--json").out)
    assert (status["state"], status["batch_id"]) == ("completed", listed["items"][0]["batch_id"])
    gone = packmule(tmp_path, "status", "nope", "--json")
    assert gone.code == 2
    assert "no batch 'nope'" in records(gone.out)[0]["error"]["message"]


def test_a_stopped_run_says_so(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    bound = ("--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    said = packmule(tmp_path, *RUN, *bound)
    found = records(said.out)
    assert said.code == 4 == found[-1]["exit_code"]
    assert found[-1]["reason"] == "budget"


def test_warnings_come_as_records(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    said = packmule(tmp_path, *RUN, "--concurrency", "1", "--max-cost", "0.0008", "--on-budget", "warn")
    warnings = [r for r in records(said.out) if r["event"] == "warning"]
    assert [r["kind"] for r in warnings] == ["near_cap", "over_cap"]
    assert "80 % of the budget $0.0008" in warnings[0]["message"]


def test_a_detached_batch_outlives_its_terminal_and_is_steered(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = (*RUN, *slow(tmp_path, 0.5), "--concurrency", "2", "--detach")
    said = packmule(tmp_path, *words)
    assert said.code == 0, said.err
    (launch,) = records(said.out)
    batch = launch["batch_id"]
    assert said.lines[-3:] == [f"  packmule {word} {batch}" for word in ("watch", "wait", "stop")]
    assert f"  command  {shlex.join(['packmule', *words])}\n" in packmule(tmp_path, "show", batch).out
    assert "running" in packmule(tmp_path, "status", batch).out
    assert packmule(tmp_path, "wait", batch, "--timeout", "0.1").code == 124
    assert packmule(tmp_path, "pause", batch).code == 0
    assert "paus" in packmule(tmp_path, "status", batch).out
    assert packmule(tmp_path, "set", batch, "--concurrency", "20", "--reason", "faster").code == 0
    assert packmule(tmp_path, "unpause", batch).code == 0
    waited = packmule(tmp_path, "wait", batch)
    assert waited.code == 0, waited.err
    assert len(results(tmp_path / "out")) == 40
    logs = packmule(tmp_path, "logs", batch).out
    assert "concurrency 2 -> 20 (faster)" in logs
    assert "paused" in logs
    assert "Processing: 40/40 items" in Path(launch["log"]).read_text()


def test_a_stopped_batch_goes_on_in_the_background(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = (*RUN[:-1], *slow(tmp_path, 0.3), "--concurrency", "2", "--detach")
    batch = packmule(tmp_path, *words).out.strip()
    assert packmule(tmp_path, "stop", batch).code == 0
    assert packmule(tmp_path, "wait", batch).code == 5
    resumed = packmule(tmp_path, "resume", batch, "--concurrency", "3", "--detach")
    assert resumed.code == 0, resumed.err
    assert resumed.out == f"{batch}\n"
    assert f"{batch} runs in the background (pid " in resumed.err
    assert packmule(tmp_path, "wait", batch).code == 0
    over = packmule(tmp_path, "resume", batch, "--detach")
    assert f"{batch} is completed: 40 of 40 done" in over.err


def test_what_cannot_go_on_in_the_background_is_told_at_once(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    batch = packmule(tmp_path, *RUN[:-1], *slow(tmp_path, 0.3), "--concurrency", "2", "--detach").out.strip()
    held = packmule(tmp_path, "resume", batch, "--detach")
    assert held.code != 0
    assert f"{batch} is being run by another process" in held.err
    assert packmule(tmp_path, "stop", "--now", batch).code == 0


def test_what_cannot_begin_in_the_background_is_told_at_once(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    piped = packmule(tmp_path, "run", "-", "--prompt", PROMPT, *MODEL, "--detach", stdin="id,text\n1,x\n")
    assert piped.code == 2
    assert "standard input" in piped.err


def test_wait_has_the_code_of_a_batch_that_was_stopped(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    process = start(tmp_path, *RUN[:-1], *slow(tmp_path, 0.5))
    until = time.monotonic() + 60
    while "  running  " not in packmule(tmp_path, "status").out and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert packmule(tmp_path, "wait").code == 5

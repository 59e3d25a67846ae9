"""Steering a batch from another terminal, by wishes; and looking at it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packmule.compose import Again, Desk, resume
from packmule.errors import LeaseHeld
from tests.cli.command import CLEAN, MODEL, PROMPT, packmule, results, rows, slow, start

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--concurrency", "2")


@contextmanager
def running(folder: Path, median_s: float = 0.5) -> Iterator[subprocess.Popen[str]]:
    """A batch of 60 items on its way."""
    rows(folder, 60)
    process = start(folder, *RUN, *slow(folder, median_s))
    end = time.monotonic() + 20
    while time.monotonic() < end and "running" not in packmule(folder, "list").out:
        time.sleep(0.1)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def done(folder: Path) -> int:
    out = packmule(folder, "status").out
    return int(out.split("Processing: ")[1].split("/")[0])


def test_pause_holds_new_calls_until_unpause(tmp_path: Path) -> None:
    with running(tmp_path):
        said = packmule(tmp_path, "pause", "--reason", "lunch")
        assert said.code == 0
        time.sleep(1.5)
        before = done(tmp_path)
        time.sleep(1.5)
        assert done(tmp_path) == before
        assert packmule(tmp_path, "unpause").code == 0
        time.sleep(2.0)
        assert done(tmp_path) > before


def test_stop_ends_with_five_and_resume_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        said = packmule(tmp_path, "stop", "--reason", "enough for today")
        assert said.code == 0
        assert "packmule resume batch-" in said.err
        process.communicate(timeout=30)
        assert process.returncode == 5
    assert "enough for today" in packmule(tmp_path, "logs").out
    resumed = packmule(tmp_path, "resume", "--concurrency", "30")
    assert resumed.code == 0, resumed.err


def test_stop_now_drops_what_is_on_its_way_as_unknown(tmp_path: Path) -> None:
    with running(tmp_path, 10.0) as process:
        assert packmule(tmp_path, "stop", "--now").code == 0
        process.communicate(timeout=30)
        assert process.returncode == 5
    assert packmule(tmp_path, "unknown").out.count("attempt 1") == 2


def test_cancel_ends_for_good_and_the_counts_add_up(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        assert packmule(tmp_path, "cancel").code == 0
        process.communicate(timeout=30)
    found = [record["status"] for record in results(tmp_path / "out")]
    assert len(found) == 60
    assert set(found) == {"completed", "cancelled"}
    again = packmule(tmp_path, "cancel")
    assert again.code == 2
    assert "is cancelled already" in again.err


def test_cancel_of_a_batch_at_rest(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        packmule(tmp_path, "stop")
        process.communicate(timeout=30)
    assert packmule(tmp_path, "cancel").code == 0
    assert "cancelled" in packmule(tmp_path, "list").out


def test_a_batch_that_is_stopping_is_offered_what_it_can_still_do(tmp_path: Path) -> None:
    with running(tmp_path, 8.0):
        assert packmule(tmp_path, "stop").code == 0
        out = packmule(tmp_path, "status").out
        assert "stopping" in out
        assert "packmule pause" not in out
        assert re.search(r"2 calls finish; drop them instead: packmule stop batch-\S+ --now", out)
        refused = packmule(tmp_path, "pause")
        assert refused.code == 2
        assert "it is stopping already" in refused.err


def test_what_was_cancelled_is_not_done(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        packmule(tmp_path, "cancel")
        process.communicate(timeout=30)
    out = packmule(tmp_path, "status").out
    found = re.search(r"Processing: (\d+)/60 items \((\d+)\.\d%\)", out)
    assert found, out
    assert int(found[2]) == 100 * int(found[1]) // 60 < 100
    assert f"Cancelled: {60 - int(found[1])} items" in out
    assert f"{60 - int(found[1])} cancelled" in packmule(tmp_path, "show").out


def test_set_changes_limits_of_a_running_batch_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    with running(tmp_path):
        said = packmule(tmp_path, "set", "--concurrency", "8", "--max-cost", "20", "--reason", "hurry")
        assert said.code == 0, said.err
        assert "concurrency 2 -> 8" in said.err
        assert "max-cost none -> $20.00" in said.err
        time.sleep(1.0)
        refused = packmule(tmp_path, "set", "--max-cost", "0.0000001")
        assert refused.code == 2
        assert "--max-cost" in refused.err
    assert "(hurry)" in packmule(tmp_path, "logs").out


def test_steering_a_batch_that_does_not_run_says_what_to_type(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN)
    for word in ("pause", "unpause", "stop"):
        said = packmule(tmp_path, word)
        assert said.code == 2
        assert "is not running: completed" in said.err


def test_logs_follow_until_the_end(tmp_path: Path) -> None:
    with running(tmp_path, 0.1):
        followed = packmule(tmp_path, "logs", "-f")
        assert followed.code == 0
    assert followed.out.rstrip().splitlines()[-1].endswith("completed")


def test_a_batch_that_another_process_finished_meanwhile_is_finished(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL, "--pilot", "1")
    desk = Desk(tmp_path / ".packmule/store.db")
    seen = desk.find(None)
    assert packmule(tmp_path, "resume").code == 0
    session = resume(desk, seen, Again(seen.limits), "test")
    ending = asyncio.run(session.drive())
    assert (ending.state, ending.reason) == ("completed", "done")
    assert session.finish(ending).row.completed == 3


def test_cancel_after_a_kill_loses_no_money_and_writes_what_was_paid(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, *slow(tmp_path, 0.5), "--concurrency", "4")
    run = start(tmp_path, *words, "-o", "out", "--checkpoint", "c.json", "--progress", "log")
    desk = Desk(tmp_path / ".packmule/store.db")
    until = time.monotonic() + 60
    while not (desk.newest() and desk.find(None).completed >= 4) and time.monotonic() < until:
        time.sleep(0.05)
    run.kill()
    run.communicate()
    said = packmule(tmp_path, "batch", "cancel", "c.json")
    assert said.code == 0, said.err
    row = desk.find(None)
    assert (row.state, row.held) == ("cancelled", 0)
    assert row.unknown > 0
    assert "may have been billed for lost answers" in said.err
    assert "4 attempts, at most" in packmule(tmp_path, "unknown").err
    assert sum(result["status"] == "completed" for result in results(tmp_path / "out")) == row.completed
    kept = json.loads((tmp_path / "c.json").read_text())
    assert kept["packmule"]["status"] == "cancelled"
    assert kept["progress"]["completed"] == row.completed


def test_what_is_changed_at_rest_is_refused_while_another_runs_the_batch(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    assert packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL, "--pilot", "1").code == 5
    desk = Desk(tmp_path / ".packmule/store.db")
    row = desk.find(None)
    session = resume(desk, row, Again(row.limits), "test")
    try:
        for change in (desk.cancel, lambda row: desk.set_limits(row, row.limits, "test")):
            with pytest.raises(LeaseHeld):
                change(row)
    finally:
        session.close()
    assert desk.cancel(row).state == "cancelled"


def test_a_run_that_ignores_the_hangup_goes_on_after_it(tmp_path: Path) -> None:
    rows(tmp_path, 8)
    words = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, *slow(tmp_path, 0.4), "--concurrency", "2", "-o", "out")
    run = subprocess.Popen(
        ["nohup", sys.executable, "-m", "packmule", *words],
        cwd=tmp_path,
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    desk = Desk(tmp_path / ".packmule/store.db")
    until = time.monotonic() + 60
    while not (desk.newest() and desk.find(None).completed) and time.monotonic() < until:
        time.sleep(0.05)
    run.send_signal(signal.SIGHUP)
    assert run.wait(timeout=60) == 0
    assert desk.find(None).completed == 8

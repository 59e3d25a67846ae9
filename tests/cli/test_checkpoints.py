"""Checkpoint files, from a person's side: written, resumed from anywhere, listed, cancelled; and budgets."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from packmule import compose
from packmule.compose import Desk
from packmule.store import reads
from tests.cli.command import MODEL, PROMPT, Said, packmule, results, rows, start

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out")
KEPT = (*RUN, "--checkpoint", "f.json")
KEYS = "batch_id created_at paused_at config progress completed_personas failed_personas cost_so_far packmule".split()


def content(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def change(path: Path, **packmule_keys: Any) -> None:
    found = content(path)
    found["packmule"].update(packmule_keys)
    path.write_text(json.dumps(found))


def failing(folder: Path, median_s: float = 0.3) -> tuple[str, str]:
    """A sim that takes its time and never answers about lamps 1 and 2."""
    scenario = folder / "failing.toml"
    latency = f"[latency]\nmedian_s = {median_s}\nsigma = 0.1\n"
    scenario.write_text(f"{latency}[[fail]]\npattern = 'number [12] '\nstatus = 400\n")
    return "--sim-scenario", str(scenario)


def wait_until(true: Any, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def answered(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder}/.packmule/store.db?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM attempts WHERE state = 'answered'").fetchone()[0])
    except sqlite3.Error:
        return 0


def reasons(folder: Path) -> list[str]:
    try:
        with sqlite3.connect(f"file:{folder}/.packmule/store.db?mode=ro", uri=True) as db:
            return [reason for (reason,) in db.execute("SELECT reason FROM totals")]
    except sqlite3.Error:
        return []


def begun(folder: Path, *words: str, count: int = 40, answers: int = 4) -> subprocess.Popen[str]:
    """A run that is on its way."""
    rows(folder, count)
    process = start(folder, *KEPT, *failing(folder), "--concurrency", "4", *words)
    wait_until(lambda: answered(folder) >= answers)
    return process


def stopped(folder: Path, *words: str, count: int = 40) -> dict[str, Any]:
    """The checkpoint of a run that was interrupted halfway."""
    process = begun(folder, *words, count=count)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    found = content(folder / "f.json")
    assert 0 < found["progress"]["pending"] < count
    return found


def books(folder: Path) -> None:
    desk = Desk(folder / ".packmule" / "store.db", create=False)
    row = desk.find(None)
    sums = reads.sums(desk.store, row.batch)
    assert {name: getattr(row, name) for name in sums} == sums
    assert row.total == row.pending + row.completed + row.failed + row.skipped + row.blocked + row.cancelled


def test_the_file_has_the_briefs_keys_and_one_more_and_its_counts_add_up(tmp_path: Path) -> None:
    rows(tmp_path, 8)
    said = packmule(tmp_path, *KEPT, *failing(tmp_path, 0.01), "--skip", "id~a7")
    assert said.code == 3
    assert "f.json" in said.err
    found = content(tmp_path / "f.json")
    assert list(found) == KEYS
    assert found["config"] == {"source_data": "rows.csv", "total_count": 7, "provider": "sim"}
    assert found["progress"] == {"completed": 5, "failed": 2, "pending": 0}
    assert found["completed_personas"] == ["a0", "a3", "a4", "a5", "a6"]
    assert [list(failed) for failed in found["failed_personas"]] == [["id", "error", "retries"]] * 2
    assert [failed["id"] for failed in found["failed_personas"]] == ["a1", "a2"]
    assert found["packmule"]["skipped"] == 1
    assert isinstance(found["cost_so_far"], float)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["cost_so_far"] == float(summary["cost_usd"])
    assert found["paused_at"] is None
    assert not list(tmp_path.glob(".f.json*"))


def test_it_is_written_at_the_start_on_pause_and_at_the_stop(tmp_path: Path) -> None:
    process = begun(tmp_path, count=80)
    file = tmp_path / "f.json"
    assert content(file)["progress"]["completed"] == 0
    assert packmule(tmp_path, "pause").code == 0
    wait_until(lambda: content(file)["packmule"]["status"] == "paused")
    found = content(file)
    assert found["paused_at"]
    assert found["progress"]["completed"] + found["progress"]["failed"] + found["progress"]["pending"] == 80
    assert packmule(tmp_path, "stop").code == 0
    process.communicate(timeout=30)
    found = content(file)
    assert (found["packmule"]["status"], found["packmule"]["reason"]) == ("stopped", "person")
    assert found["paused_at"]


def test_while_it_runs_it_is_saved_when_the_time_has_come(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    packmule(tmp_path, *RUN, *failing(tmp_path, 0.01))
    desk = Desk(tmp_path / ".packmule" / "store.db", create=False)
    with compose.Keeper(tmp_path / "f.json", save_s=1.0).of(desk, desk.find(None)) as keeper:
        before = content(keeper.path)
        packmule(tmp_path, "retry")
        wait_until(lambda: content(keeper.path)["packmule"]["saved_at"] != before["packmule"]["saved_at"])
        wait_until(lambda: content(keeper.path)["progress"] == {"completed": 3, "failed": 0, "pending": 0})


def test_killed_without_a_word_it_goes_on_from_the_file_in_another_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    process = begun(here)
    process.kill()
    process.communicate()
    said = packmule(there, "run", "--resume", "../here/f.json", *failing(here))
    assert said.code == 3, said.err
    assert "resuming batch-" in said.err
    found = results(here / "out")
    assert len(found) == 40
    assert sum(r["attempts"] for r in found) <= 44
    assert content(here / "f.json")["progress"] == {"completed": 38, "failed": 2, "pending": 0}
    assert list(there.iterdir()) == []


def test_without_its_store_what_is_done_is_not_asked_again_and_its_money_counts(tmp_path: Path) -> None:
    old = stopped(tmp_path)
    shutil.copy(tmp_path / "f.json", tmp_path / "copy.json")
    first = {r["key"]: r["output"] for r in results(tmp_path / "out") if r["status"] == "completed"}
    shutil.rmtree(tmp_path / ".packmule")
    shutil.rmtree(tmp_path / "out")
    said = packmule(tmp_path, "run", "--resume", "f.json")
    assert said.code == 3, said.err
    assert "takes over what f.json holds" in said.err
    done = old["progress"]["completed"]
    assert f"40 items, {old['progress']['pending']} to do" in said.err
    found = {r["key"]: r for r in results(tmp_path / "out")}
    assert len(found) == 40
    assert all(found[key]["output"] == output for key, output in first.items())
    assert {key for key, r in found.items() if r["status"] == "failed"} == {"a1", "a2"}
    assert answered(tmp_path) == done + 2 + old["progress"]["pending"] + 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert float(summary["cost_usd"]) > old["cost_so_far"] > 0
    assert summary["attempts"] == sum(record["attempts"] for record in found.values())
    books(tmp_path)
    new = content(tmp_path / "f.json")
    assert new["batch_id"] != old["batch_id"]
    assert new["progress"] == {"completed": 38, "failed": 2, "pending": 0}
    again = packmule(tmp_path, *RUN)
    assert "is finished: 38 of 40 done" in again.err
    copied = packmule(tmp_path, "run", "--resume", "copy.json")
    assert f"{new['batch_id']} is completed" in copied.err


def test_a_takeover_that_cannot_end_leaves_nothing_behind(tmp_path: Path) -> None:
    stopped(tmp_path)
    shutil.rmtree(tmp_path / ".packmule")
    good = rows(tmp_path, 3000).read_text()
    (tmp_path / "rows.csv").write_text(good + "b,one,cell too many\n")
    before = (tmp_path / "f.json").read_bytes()
    halfway = packmule(tmp_path, "run", "--resume", "f.json", "--force")
    assert halfway.code == 2, halfway.err
    assert "there is no batch" in packmule(tmp_path, "list").err
    assert (tmp_path / "f.json").read_bytes() == before


def test_a_takeover_that_was_killed_is_called_so_and_makes_room_for_the_next(tmp_path: Path) -> None:
    stopped(tmp_path)
    shutil.rmtree(tmp_path / ".packmule")
    rows(tmp_path, 200_000)
    process = start(tmp_path, "run", "--resume", "f.json", "--force")
    wait_until(lambda: "takeover not finished" in reasons(tmp_path))
    process.kill()
    process.communicate()
    for words in (("list",), ("show",)):
        assert "cancelled (takeover not finished)" in " ".join(packmule(tmp_path, *words).out.split())
    rows(tmp_path, 40)
    again = packmule(tmp_path, "run", "--resume", "f.json")
    assert again.code == 3, again.err
    assert "takes over what f.json holds" in again.err
    assert len(results(tmp_path / "out")) == 40
    assert packmule(tmp_path, "list").out.count("batch-") == 1
    books(tmp_path)


def test_a_batch_taken_over_twice_is_found_by_its_oldest_file(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    words = ("--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    assert packmule(tmp_path, *KEPT, *words).code == 4
    shutil.copy(tmp_path / "f.json", tmp_path / "old.json")
    shutil.rmtree(tmp_path / ".packmule")
    # Nothing is left under this cap: the second batch only holds what the first one had.
    assert packmule(tmp_path, "run", "--resume", "f.json").code == 4
    shutil.rmtree(tmp_path / ".packmule")
    assert packmule(tmp_path, "run", "--resume", "f.json", "--max-cost", "1").code == 0
    newest = content(tmp_path / "f.json")
    ids = [content(tmp_path / "old.json")["batch_id"], newest["batch_id"]]
    assert newest["packmule"]["ancestors"][-1] == ids[0]
    assert len(newest["packmule"]["ancestors"]) == 2
    said = packmule(tmp_path, "run", "--resume", "old.json")
    assert said.code == 0, said.err
    assert f"{ids[1]} is completed" in said.err
    assert packmule(tmp_path, "list").out.count("batch-") == 1


def test_a_cancelled_takeover_is_not_begun_again(tmp_path: Path) -> None:
    stopped(tmp_path, "--max-cost", "1")
    shutil.copy(tmp_path / "f.json", tmp_path / "old.json")
    shutil.rmtree(tmp_path / ".packmule")
    change(tmp_path / "f.json", unknown_pico=str(10**12 - 10**9))
    assert packmule(tmp_path, "run", "--resume", "f.json").code in {2, 4}
    assert packmule(tmp_path, "run", "--resume", "f.json", "--max-cost", "1.001").code == 4
    assert packmule(tmp_path, "batch", "cancel", content(tmp_path / "f.json")["batch_id"]).code == 0
    said = packmule(tmp_path, "run", "--resume", "old.json")
    assert said.code == 2
    assert "is cancelled, so it does not go on" in said.err


def test_another_store_than_the_one_that_has_the_batch_is_refused(tmp_path: Path) -> None:
    found = stopped(tmp_path)
    said = packmule(tmp_path, "run", "--resume", "f.json", "--store", "other.db")
    assert said.code == 2
    assert f"{found['batch_id']} is in the store {tmp_path}/.packmule/store.db, and not in other.db" in said.err
    assert f"--store {tmp_path}/.packmule/store.db" in said.err
    assert not (tmp_path / "other.db").exists()
    (tmp_path / ".packmule" / "store.db").write_text("no store any more, whatever it was before")
    for name in ("store.db-wal", "store.db-shm"):
        (tmp_path / ".packmule" / name).unlink(missing_ok=True)
    assert packmule(tmp_path, "run", "--resume", "f.json").code == 6
    assert packmule(tmp_path, "run", "--resume", "f.json", "--store", "other.db").code == 3


def test_force_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, *RUN, "--force")
    assert said.code == 2
    assert "--force goes on from a checkpoint, and none is named" in said.lines[0]


def test_resume_says_of_a_batch_that_is_over_how_it_ended_and_what_to_type(tmp_path: Path) -> None:
    stopped(tmp_path)
    assert packmule(tmp_path, "cancel").code == 0
    said = packmule(tmp_path, "resume")
    assert said.code == 2
    assert "is cancelled, so it does not go on" in said.lines[0]
    assert "The same command begins another batch: packmule run rows.csv" in said.lines[1]
    for words in (("list",), ("show",), ("status",)):
        out = packmule(tmp_path, *words).out
        assert "cancelled" in out
        assert "(cancelled)" not in out
    assert packmule(tmp_path, *RUN, *failing(tmp_path, 0.01)).code == 3
    said = packmule(tmp_path, "resume")
    assert said.code == 3
    assert "packmule retry batch-" in said.err


def test_without_its_store_the_old_cap_holds_what_was_spent_and_lost(tmp_path: Path) -> None:
    old = stopped(tmp_path, "--max-cost", "1")
    shutil.rmtree(tmp_path / ".packmule")
    change(tmp_path / "f.json", unknown_pico=str(10**12))
    said = packmule(tmp_path, "run", "--resume", "f.json")
    assert said.code == 2
    assert "The least it can be is --max-cost 1.0" in said.err
    said = packmule(tmp_path, "run", "--resume", "f.json", "--max-cost", "1.001")
    assert said.code == 4, said.err
    assert "(carried over)" in packmule(tmp_path, "unknown").out
    assert content(tmp_path / "f.json")["cost_so_far"] >= old["cost_so_far"]
    books(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"batch_id": "b', "is not whole JSON"),
        ("[1]", "is no checkpoint of packmule"),
        ('{"packmule": {"version": 99}}', "has the checkpoint format 99, and this packmule reads 1"),
        ('{"packmule": {"version": 1}}', "is damaged: Object missing required field"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "f.json").write_text(text)
    said = packmule(tmp_path, "run", "--resume", "f.json")
    assert said.code == 2
    assert "f.json" in said.lines[0]
    assert reason in said.lines[0]
    rows(tmp_path, 2)
    kept = packmule(tmp_path, *KEPT)
    assert kept.code == 2
    assert "give another name with --checkpoint" in kept.err
    assert (tmp_path / "f.json").read_text() == text
    assert not (tmp_path / ".packmule").exists()


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    said = packmule(tmp_path, "run", "--resume", "no.json")
    assert said.code == 2
    assert "no.json cannot be read: No such file" in said.err


def test_counts_that_do_not_add_up_are_refused_unless_forced(tmp_path: Path) -> None:
    stopped(tmp_path)
    found = content(tmp_path / "f.json")
    found["progress"]["pending"] += 1
    (tmp_path / "f.json").write_text(json.dumps(found))
    said = packmule(tmp_path, "run", "--resume", "f.json")
    assert said.code == 2
    assert "f.json: its counts do not add up" in said.err
    assert "--force" in said.err
    assert packmule(tmp_path, "run", "--resume", "f.json", "--force").code == 3


def test_a_changed_input_is_refused_unless_forced(tmp_path: Path) -> None:
    stopped(tmp_path)
    rows(tmp_path, 41)
    said = packmule(tmp_path, "run", "--resume", "f.json")
    assert said.code == 2
    assert "rows.csv is not as it was when f.json was written" in said.err
    shutil.rmtree(tmp_path / ".packmule")
    forced = packmule(tmp_path, "run", "--resume", "f.json", "--force")
    assert forced.code == 3, forced.err
    assert content(tmp_path / "f.json")["config"]["total_count"] == 41
    books(tmp_path)


def test_other_words_than_the_files_are_refused_and_the_same_are_not(tmp_path: Path) -> None:
    stopped(tmp_path)
    said = packmule(tmp_path, "run", "--resume", "f.json", "--prompt", "Shorter: {text}")
    assert said.code == 2
    assert "f.json is of a batch with another --prompt" in said.err
    assert packmule(tmp_path, "run", "--resume", "f.json", "--fresh").code == 2
    assert packmule(tmp_path, "run", "--resume", "f.json", "--checkpoint", "g.json").code == 2
    same = packmule(tmp_path, *RUN, "--resume", "f.json")
    assert same.code == 3, same.err


def test_two_runs_do_not_keep_one_file(tmp_path: Path) -> None:
    process = begun(tmp_path, count=1000)
    for words in (("run", "--resume", "f.json"), (*KEPT, "--fresh")):
        said = packmule(tmp_path, *words)
        assert said.code == 6
        assert f"f.json is kept by another run (pid {process.pid})" in said.err
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_resume_keeps_a_file_too_and_a_moved_input_is_said_by_its_place(tmp_path: Path) -> None:
    old = stopped(tmp_path)
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")
    shutil.copytree(tmp_path / ".packmule", tmp_path / "kept")
    assert packmule(tmp_path, "resume", "--checkpoint", "g.json").code == 3
    assert content(tmp_path / "g.json")["batch_id"] == old["batch_id"]
    shutil.rmtree(tmp_path / ".packmule")
    gone = packmule(tmp_path, "run", "--resume", "f.json")
    assert gone.code == 2
    assert "is not there either" in gone.err
    assert packmule(tmp_path, "run", "moved.csv", "--resume", "f.json", "--dry-run").code == 0
    assert packmule(tmp_path, "run", "--resume", "f.json", "--store", "kept/store.db").code == 3


def test_a_place_that_cannot_be_written_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "file").write_text("")
    said = packmule(tmp_path, *RUN, "--checkpoint", "file/f.json")
    assert said.code == 2
    assert "file/f.json cannot be written" in said.err
    assert not (tmp_path / ".packmule").exists()


def listing(folder: Path) -> Said:
    said = packmule(folder, "batch", "list")
    assert said.code == 0, said.err
    return said


def test_batches_and_files_are_listed_damaged_ones_too(tmp_path: Path) -> None:
    found = stopped(tmp_path)
    for name, text in ((".packmule", "{"), (".persona", (tmp_path / "f.json").read_text().replace("batch-", "other-"))):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "checkpoints" / "x.json").write_text(text)
    lines = listing(tmp_path).out.splitlines()
    assert lines[0].split() == ["batch", "file", "status", "done", "cost", "age"]
    first = next(line for line in lines if line.startswith(found["batch_id"]))
    assert "f.json" in first
    assert "stopped" in first
    assert f"{found['progress']['completed']}/40" in first
    assert any(line.startswith("?") and "damaged" in line for line in lines)
    assert any(line.startswith("other-") and ".persona" in line for line in lines)
    assert found["batch_id"] in packmule(tmp_path, "batch", "show", "f.json").out


def test_without_a_store_the_files_of_this_folder_are_listed_and_other_json_is_not(tmp_path: Path) -> None:
    found = stopped(tmp_path)
    shutil.rmtree(tmp_path / ".packmule")
    (tmp_path / "half.json").write_bytes((tmp_path / "f.json").read_bytes()[:300])
    (tmp_path / "data.json").write_text('[{"id": 1}]')
    lines = listing(tmp_path).out.splitlines()[1:]
    assert len(lines) == 2
    assert lines[0].startswith(found["batch_id"])
    assert "f.json" in lines[0]
    assert "half.json" in lines[1]
    assert "damaged" in lines[1]
    (record,) = map(json.loads, packmule(tmp_path, "batch", "list", "--json").out.splitlines())
    first, damaged = record["items"]
    assert (first["batch_id"], first["file"], first["total"]) == (found["batch_id"], "f.json", 40)
    assert first["done"] == found["progress"]["completed"]
    assert float(first["cost_usd"]) == found["cost_so_far"]
    assert (damaged["batch_id"], damaged["cost_usd"], damaged["status"]) == (None, None, "damaged")


def test_cancelling_by_file_and_by_id(tmp_path: Path) -> None:
    found = stopped(tmp_path)
    said = packmule(tmp_path, "batch", "cancel", "f.json")
    assert said.code == 0, said.err
    assert content(tmp_path / "f.json")["packmule"]["status"] == "cancelled"
    assert "cancelled" in packmule(tmp_path, "show").out
    for name in ("f.json", found["batch_id"]):
        again = packmule(tmp_path, "batch", "cancel", name)
        assert again.code == 2
        assert "is cancelled already" in again.err
    assert packmule(tmp_path, "run", "--resume", "f.json").code == 2


def test_cancelling_a_file_without_its_store_and_a_completed_one(tmp_path: Path) -> None:
    stopped(tmp_path)
    shutil.copy(tmp_path / "f.json", tmp_path / "g.json")
    assert packmule(tmp_path, "run", "--resume", "f.json").code == 3
    for name in ("f.json", "g.json"):
        refused = packmule(tmp_path, "batch", "cancel", name)
        assert refused.code == 2
        assert "is completed already" in refused.err
    shutil.rmtree(tmp_path / ".packmule")
    assert packmule(tmp_path, "batch", "show", "g.json").code == 0
    assert "will not be done" in packmule(tmp_path, "batch", "cancel", "g.json").err
    refused = packmule(tmp_path, "run", "--resume", "g.json")
    assert refused.code == 2
    assert "is cancelled" in refused.err


def test_a_running_batch_is_cancelled_by_its_file(tmp_path: Path) -> None:
    process = begun(tmp_path, count=1000)
    said = packmule(tmp_path, "batch", "cancel", "f.json")
    assert said.code == 0, said.err
    process.communicate(timeout=30)
    found = content(tmp_path / "f.json")
    assert found["packmule"]["status"] == "cancelled"
    assert sum(found["progress"].values()) == 1000


def test_a_budget_warns_and_stops_only_when_told_to(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    bound = ("--max-output-tokens", "60", "--concurrency", "2", "--progress", "log")
    warned = packmule(tmp_path, *KEPT, *bound, "--budget", "0.0002")
    assert warned.code == 0, warned.err
    assert "only warns" in warned.err
    stops = packmule(tmp_path, *KEPT, *bound, "--budget", "0.0007", "--stop-on-budget", "--fresh")
    assert stops.code == 4, stops.err
    assert content(tmp_path / "f.json")["packmule"]["reason"] == "budget"
    assert "packmule run --resume f.json" in stops.err
    more = packmule(tmp_path, "run", "--resume", "f.json", "--budget", "1", "--stop-on-budget")
    assert more.code == 0, more.err


def test_a_budget_alone_agrees_to_nothing(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    words = ("run", "rows.csv", "--prompt", PROMPT, "-m", "openai/gpt-5-mini", "--budget", "1")
    said = packmule(tmp_path, *words, env={"OPENAI_API_KEY": "k" * 20})
    assert said.code == 2
    assert "nobody has agreed" in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--budget", "1", "--max-cost", "2"), "--budget and --max-cost both bound the batch"),
        (("--stop-on-budget",), "--stop-on-budget names no amount"),
        (("--stop-on-budget", "--max-cost", "2"), "--stop-on-budget names no amount"),
        (("--budget", "1", "--stop-on-budget", "--on-budget", "warn"), "contradict each other"),
        (("--budget", "many"), "--budget"),
    ],
)
def test_budget_words_that_contradict_each_other_are_refused(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, *RUN, *words)
    assert said.code == 2
    assert reason in said.lines[0]


def test_a_recipe_in_a_file_is_found_from_another_folder_and_its_store_need_not_be(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    rows(here, 3)
    recipe = "async def go(item, ask):\n    return (await ask(item['text'], model='sim/small')).text\n"
    (here / "mine.py").write_text(recipe)
    words = ("run", "rows.csv", "--recipe", "mine.py:go", "--checkpoint", "f.json", "--max-cost", "0.0005")
    assert packmule(here, *words).code == 4
    shutil.rmtree(here / ".packmule")
    said = packmule(there, "run", "--resume", "../here/f.json", "--max-cost", "1")
    assert said.code == 0, said.err
    assert content(here / "f.json")["progress"] == {"completed": 3, "failed": 0, "pending": 0}
    books(there)


def test_a_batch_in_the_background_keeps_its_file(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    said = packmule(tmp_path, *KEPT, "--detach")
    assert said.code == 0, said.err
    assert packmule(tmp_path, "wait").code == 0
    wait_until(lambda: content(tmp_path / "f.json")["progress"]["completed"] == 6)


def test_the_file_of_another_batch_is_taken_over_with_a_note(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *KEPT)
    old = content(tmp_path / "f.json")["batch_id"]
    said = packmule(tmp_path, *KEPT, "--fresh")
    assert f"the checkpoint f.json was of {old}" in said.err
    assert content(tmp_path / "f.json")["batch_id"] != old


def test_two_copies_taken_over_at_once_are_one_batch(tmp_path: Path) -> None:
    process = begun(tmp_path)
    process.kill()
    process.communicate()
    for path in (tmp_path / ".packmule").glob("store.db*"):
        path.unlink()
    for name in ("x1.json", "x2.json"):
        (tmp_path / name).write_bytes((tmp_path / "f.json").read_bytes())
    words = failing(tmp_path, 0.01)
    both = [start(tmp_path, "run", "--resume", name, *words) for name in ("x1.json", "x2.json")]
    codes = [(process.communicate(timeout=60)[1], process.returncode) for process in both]
    listed = packmule(tmp_path, "list").out
    assert listed.count("batch-") == 1, (listed, codes)
    assert all(code in {3, 6} for _, code in codes), codes

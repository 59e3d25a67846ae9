"""`packmule run`, from a person's side."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import CLEAN, EXAMPLES, MODEL, PROMPT, packmule, results, rows, slow, start

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out")


def test_a_file_of_rows_gets_one_answer_a_row_in_input_order(tmp_path: Path) -> None:
    said = packmule(tmp_path, "run", str(EXAMPLES / "reviews.csv"), "--prompt", PROMPT, *MODEL, "-o", "out")
    assert said.code == 0, said.err
    assert said.out == "out/results.jsonl\n"
    found = results(tmp_path / "out")
    assert [r["seq"] for r in found] == list(range(40))
    assert [r["key"] for r in found][:3] == ["r001", "r002", "r003"]
    assert all(r["status"] == "completed" and r["output"] and r["attempts"] == 1 for r in found)
    assert (
        list(found[0]) == "seq key status output reason cost_usd tokens_in tokens_out attempts latency_s model".split()
    )
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 40
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    counts = summary["counts"]
    assert counts["total"] == 40 == sum(n for name, n in counts.items() if name != "total")
    assert sum(float(r["cost_usd"]) for r in found) == pytest.approx(float(summary["cost_usd"]), abs=1e-12)


def test_the_store_is_private_and_lies_where_it_is_said(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    assert packmule(tmp_path, *RUN, env={"PACKMULE_STORE": "kept/here.db"}).code == 0
    store = tmp_path / "kept" / "here.db"
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert not (tmp_path / ".packmule").exists()


def test_nothing_is_sent_or_stored_by_a_dry_run(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    said = packmule(tmp_path, *RUN, "--dry-run")
    assert said.code == 0
    assert "Summarise in one line: The lamp number 0" in said.err
    assert "3 items" in said.err
    assert "low" in said.err
    assert "likely" in said.err
    assert not (tmp_path / "out").exists()
    assert "no batch" in packmule(tmp_path, "list").err


def test_the_same_command_says_that_it_is_finished_and_fresh_begins_anew(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    assert packmule(tmp_path, *RUN).code == 0
    again = packmule(tmp_path, *RUN)
    assert again.code == 0
    assert "is finished: 3 of 3 done" in again.err
    assert packmule(tmp_path, *RUN, "--fresh").code == 0
    assert packmule(tmp_path, "list").out.count("batch-") == 2


def test_appended_rows_extend_the_batch_and_old_answers_are_not_paid_again(tmp_path: Path) -> None:
    path = rows(tmp_path, 3)
    packmule(tmp_path, *RUN)
    with path.open("a") as file:
        file.write("a3,One more lamp came in the mail.\n")
    said = packmule(tmp_path, *RUN)
    assert said.code == 0
    assert "extending batch-" in said.err
    assert [r["key"] for r in results(tmp_path / "out")] == ["a0", "a1", "a2", "a3"]
    assert all(r["attempts"] == 1 for r in results(tmp_path / "out"))
    assert packmule(tmp_path, "list").out.count("batch-") == 1


def test_another_prompt_is_another_batch_and_it_says_what_differs(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN)
    said = packmule(tmp_path, "run", "rows.csv", "--prompt", "Shorter: {text}", *MODEL, "-o", "out")
    assert "differs from batch-" in said.err
    assert "prompt" in said.err


def test_filters_leave_items_skipped_counted_and_free(tmp_path: Path) -> None:
    said = packmule(
        tmp_path,
        "run",
        str(EXAMPLES / "reviews.csv"),
        "--prompt",
        PROMPT,
        *MODEL,
        "-o",
        "out",
        "--where",
        "product~lamp|kettle",
        "--skip",
        "rating~^1",
    )
    assert said.code == 0
    found = results(tmp_path / "out")
    skipped = [r for r in found if r["status"] == "skipped"]
    assert len(found) == 40
    assert {r["reason"] for r in skipped} == {"filtered"}
    assert {r["cost_usd"] for r in skipped} == {"0.00"}
    assert [r["key"] for r in found if r["status"] == "completed"] == ["r001", "r002", "r004"]


def test_a_schema_gives_validated_json(tmp_path: Path) -> None:
    schema = EXAMPLES / "review.schema.json"
    said = packmule(
        tmp_path,
        "run",
        str(EXAMPLES / "reviews.csv"),
        "--prompt",
        "Judge: {text}",
        "--schema",
        str(schema),
        *MODEL,
        "-o",
        "out",
        "--limit",
        "5",
    )
    assert said.code == 0, said.err
    for record in results(tmp_path / "out"):
        assert set(record["output"]) == {"sentiment", "summary", "topics"}
        assert record["output"]["sentiment"] in {"positive", "mixed", "negative"}


def test_an_answer_that_never_fits_the_schema_is_asked_again_and_then_fails_with_its_reason(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "hostile.toml").write_text('manner = "hostile"\nseed = 3\n')
    said = packmule(
        tmp_path,
        *RUN,
        "--schema",
        str(EXAMPLES / "review.schema.json"),
        "--retries-invalid",
        "1",
        "--sim-scenario",
        "hostile.toml",
    )
    found = results(tmp_path / "out")
    failed = [r for r in found if r["status"] == "failed"]
    assert said.code == (3 if failed else 0)
    assert all(r["attempts"] == 2 and r["reason"] and r["output"] is None for r in failed)


def test_jsonl_text_folder_and_stdin_are_sources_too(tmp_path: Path) -> None:
    for source in ("tickets.jsonl", "tasks.txt"):
        words = ("--prompt", PROMPT) if source.endswith("jsonl") else ()
        assert packmule(tmp_path, "run", str(EXAMPLES / source), *words, *MODEL, "-o", source).code == 0
        assert results(tmp_path / source)
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a.md", "b.txt"):
        (folder / name).write_text(f"What was said in {name} about lamps.")
    assert packmule(tmp_path, "run", "notes", *MODEL, "-o", "folder").code == 0
    assert [r["key"] for r in results(tmp_path / "folder")] == ["a.md", "b.txt"]
    piped = packmule(tmp_path, "run", "-", *MODEL, "-o", "piped", stdin="First task of two.\nSecond task of two.\n")
    assert piped.code == 0, piped.err
    assert len(results(tmp_path / "piped")) == 2


def test_a_recipe_of_ones_own_is_run(tmp_path: Path) -> None:
    rows(tmp_path, 4)
    recipe = f"{EXAMPLES / 'recipes' / 'three_calls.py'}:recipe"
    said = packmule(tmp_path, "run", "rows.csv", "--recipe", recipe, *MODEL, "-o", "out")
    assert said.code == 0, said.err
    assert all(
        r["attempts"] == 3 and set(r["output"]) == {"point", "weight", "reply"} for r in results(tmp_path / "out")
    )


def test_money_needs_consent_without_a_terminal(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    key = {"OPENAI_API_KEY": "sk-canary-0000000000"}
    said = packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini", env=key)
    assert said.code == 2
    assert "--max-cost" in said.err
    assert "genai-prices" in said.err
    assert "canary" not in said.err + said.out


def test_a_budget_stop_leaves_the_rest_pending_and_a_higher_cap_goes_on(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    bound = ("--max-output-tokens", "60", "--concurrency", "2")
    first = packmule(tmp_path, *RUN, *bound, "--max-cost", "0.0007")
    assert first.code == 4, first.err
    done = [r for r in results(tmp_path / "out") if r["status"] == "completed"]
    capped = [r for r in results(tmp_path / "out") if r["status"] == "skipped"]
    assert 0 < len(done) < 30
    assert len(done) + len(capped) == 30
    assert {r["reason"] for r in capped} == {"batch cap"}
    assert sum(float(r["cost_usd"]) for r in done) <= 0.0007
    second = packmule(tmp_path, *RUN, *bound, "--max-cost", "0.05")
    assert second.code == 0, second.err
    assert "resuming batch-" in second.err
    found = results(tmp_path / "out")
    assert all(r["status"] == "completed" and r["attempts"] == 1 for r in found)


def test_a_cap_below_what_is_spent_is_refused_and_the_least_is_named(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    bound = ("--max-output-tokens", "60", "--concurrency", "2")
    packmule(tmp_path, *RUN, *bound, "--max-cost", "0.0007")
    said = packmule(tmp_path, *RUN, *bound, "--max-cost", "0.000001")
    assert said.code == 2
    assert "--max-cost" in said.err


def test_killed_without_a_word_the_same_command_goes_on(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    words = (*RUN, *slow(tmp_path), "--concurrency", "4", "--progress", "log")
    process = start(tmp_path, *words)
    wait_for_answers(tmp_path, 4)
    process.kill()
    process.communicate()
    said = packmule(tmp_path, *words)
    assert said.code == 0, said.err
    assert "resuming batch-" in said.err
    assert "on the way when the last run ended" in said.err
    found = results(tmp_path / "out")
    assert len(found) == 40
    assert sum(r["attempts"] for r in found) <= 44
    assert "at most" in packmule(tmp_path, "unknown").out
    assert "written off" in packmule(tmp_path, "unknown", "--write-off").err
    assert "no unknown attempts" in packmule(tmp_path, "unknown").err


def test_ctrl_c_finishes_what_is_on_its_way_and_says_how_to_go_on(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    words = (*RUN, *slow(tmp_path, 0.4), "--concurrency", "4")
    process = start(tmp_path, *words)
    wait_for_answers(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert "Ctrl+C again drops them" in err
    assert "packmule resume batch-" in err
    assert unknown_count(tmp_path) == 0
    resumed = packmule(tmp_path, "resume", "--sim-scenario", "slow.toml")
    assert resumed.code == 0, resumed.err
    assert all(r["attempts"] == 1 for r in results(tmp_path / "out"))


def test_ctrl_c_twice_drops_what_is_on_its_way_and_counts_it_as_unknown(tmp_path: Path) -> None:
    rows(tmp_path, 20)
    words = (*RUN, *slow(tmp_path, 3.0), "--concurrency", "4")
    process = start(tmp_path, *words)
    wait_for_attempts(tmp_path, 4)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert "Dropping" in err
    assert unknown_count(tmp_path) == 4


def test_a_signal_after_the_run_ends_the_process_as_usual(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "mine.py").write_text(
        "import threading, time\n"
        "async def recipe(item, ask):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    return await ask(item['text'])\n"
    )
    process = start(tmp_path, "run", "rows.csv", "--recipe", "mine.py:recipe", *MODEL, "-o", "out")
    assert process.stdout is not None
    assert process.stdout.readline() == "out/results.jsonl\n"
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_a_batch_that_runs_is_not_run_twice(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    words = (*RUN, *slow(tmp_path, 0.5), "--concurrency", "2")
    process = start(tmp_path, *words)
    wait_for_attempts(tmp_path, 2)
    said = packmule(tmp_path, *words)
    process.terminate()
    process.communicate()
    assert said.code == 6
    assert "is being run by another process" in said.err
    assert process.returncode == -signal.SIGTERM


def test_retry_asks_the_failed_ones_again_and_keeps_the_rest(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    (tmp_path / "poison.toml").write_text('[[fail]]\npattern = "number 3"\nstatus = 400\n')
    first = packmule(tmp_path, *RUN, "--sim-scenario", "poison.toml")
    assert first.code == 3, first.err
    assert [r["key"] for r in results(tmp_path / "out") if r["status"] == "failed"] == ["a3"]
    said = packmule(tmp_path, "retry")
    assert said.code == 0, said.err
    assert "1 item to ask again" in said.err
    found = results(tmp_path / "out")
    assert [r["attempts"] for r in found] == [1, 1, 1, 2, 1, 1]
    assert "nothing to retry" in packmule(tmp_path, "retry").err


def test_export_show_list_and_prices(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    packmule(tmp_path, *RUN)
    for name in ("x.jsonl", "x.csv", "x.parquet"):
        said = packmule(tmp_path, "export", "-o", name)
        assert said.code == 0, said.err
        assert (tmp_path / name).stat().st_size > 0
    assert packmule(tmp_path, "export", "-o", "x.doc").code == 2
    shown = packmule(tmp_path, "show").out
    assert "3 of 3 done" in shown
    assert "completed" in shown
    assert "openai/gpt-5-mini" in packmule(tmp_path, "prices", "openai/gpt-5-mini").out
    assert packmule(tmp_path, "prices", "no-such-model").code == 2


def wait_for_answers(folder: Path, count: int) -> None:
    wait_for(folder, "SELECT count(*) FROM attempts WHERE state = 'answered'", count)


def wait_for_attempts(folder: Path, count: int) -> None:
    wait_for(folder, "SELECT count(*) FROM attempts", count)


def unknown_count(folder: Path) -> int:
    with sqlite3.connect(folder / ".packmule" / "store.db") as db:
        return int(db.execute("SELECT count(*) FROM attempts WHERE state = 'unknown'").fetchone()[0])


def wait_for(folder: Path, query: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with sqlite3.connect(f"file:{folder}/.packmule/store.db?mode=ro", uri=True) as db:
                if db.execute(query).fetchone()[0] >= count:
                    return
        except sqlite3.Error:
            pass
        time.sleep(0.02)
    raise AssertionError(f"never {count}: {query}")


def test_written_off_money_shows_in_the_results_too(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    scenario = tmp_path / "lossy.toml"
    scenario.write_text("[faults]\nreset_after = 1\n")
    said = packmule(tmp_path, *RUN, "--sim-scenario", str(scenario), "--on-unknown", "hold")
    assert said.code == 3
    assert packmule(tmp_path, "unknown", "--write-off").code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert float(summary["unknown_usd"]) == 0 < float(summary["cost_usd"])
    assert sum(float(r["cost_usd"]) for r in results(tmp_path / "out")) == pytest.approx(float(summary["cost_usd"]))


def test_trouble_at_one_address_does_not_block_the_same_model_at_another(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    ask = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini", "--max-cost", "1", "-o", "out")
    key = {"OPENAI_API_KEY": "sk-canary-0123456789"}
    gone = packmule(tmp_path, *ask, "--outage-limit", "1", env={**key, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert gone.code == 75
    sim = start(tmp_path, "sim", "serve", "--port", "0")
    assert sim.stdout is not None
    url = sim.stdout.readline().strip() + "/v1"
    began = time.monotonic()
    said = packmule(tmp_path, *ask, env={**key, "OPENAI_BASE_URL": url})
    sim.terminate()
    sim.communicate()
    assert said.code == 0, said.err
    assert time.monotonic() - began < 10


def test_the_same_command_typed_twice_at_once_is_one_batch(tmp_path: Path) -> None:
    rows(tmp_path, 3000)
    many = [start(tmp_path, *RUN, "--limit", "3000") for _ in range(3)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in many]
    assert packmule(tmp_path, "list").out.count("batch-") == 1
    assert min(code for _, code in ends) == 0
    assert all(code == 0 or "is being run by another process" in err for err, code in ends), ends


def test_whoever_reads_the_output_may_leave(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    line = f"{shlex.join([sys.executable, '-m', 'packmule', *RUN])} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, env=CLEAN, check=True)
    assert done.stdout == "0\n", done.stderr


def test_a_name_that_the_stream_cannot_write_is_shown_in_escapes(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, *RUN[:-1], "é", env={"PYTHONIOENCODING": "ascii"})
    assert said.code == 0, said.err
    assert "\\xe9" in said.out

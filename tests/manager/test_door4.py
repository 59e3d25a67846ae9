"""The twenty points of Door 4, one test each, in their order: what a demanding user of BatchManager expects."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

import packmule
from packmule import (
    BatchManager,
    BatchManagerError,
    CostLimitExceededError,
    InvalidStateError,
    PackmuleError,
    StateFileError,
)
from tests.cli.command import CLEAN, EXAMPLES
from tests.manager.harness import MODEL, Sim, items_of, manager, script, sim, state_of, talks, until

SLOW = "[jobs]\nduration_s = 3\n"
BLOCK = re.compile(
    r"Processing: [\d,]+/[\d,]+ items \(\d+\.\d%\)\n"
    r"Jobs: [\d,]+/[\d,]+ completed, [\d,]+ in progress\n"
    r"Cost: <?\$[\d.]+ / \$[\d.]+ \(\d+\.\d% of limit\)\n"
    r"(?:ETA: (?:estimating|~(?:\d+ min ?)?(?:\d+ sec)?)\n)?"
    r"Failed: \d+ items?\n"
)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Sim]:
    with sim(tmp_path) as found:
        yield found


def test_door4_01_wrong_arguments_are_refused_by_name_before_any_work(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    one = talks(1)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"messages": one}, "model is required"),
        ({"model": MODEL}, "Must provide either messages or files."),
        ({"model": MODEL, "messages": one, "files": ["a.pdf"]}, "Cannot provide both messages and files"),
        ({"model": MODEL, "files": ["a.pdf"]}, "prompt is required when using files"),
        ({"model": MODEL, "messages": one, "max_cost": 0}, "max_cost must be positive"),
        ({"model": MODEL, "messages": one, "max_cost": -1}, "max_cost must be positive"),
        ({"model": MODEL, "messages": one, "enable_citations": True}, "enable_citations needs files"),
        ({"model": MODEL, "messages": one, "max_tokenz": 5}, "did you mean 'max_tokens'?"),
        ({"model": MODEL, "messages": one[0]}, "messages[0] is a single message"),
        ({"model": MODEL, "messages": [[{"role": "robot", "content": "x"}]]}, "no message with role"),
        ({"model": MODEL, "messages": [[{"role": "user", "content": " "}]]}, "is empty"),
        ({"model": MODEL, "messages": "hello"}, "must be a list"),
    ]
    for given, said in wrong:
        with pytest.raises(BatchManagerError, match=re.escape(said)) as error:
            BatchManager(**given)
        assert isinstance(error.value, ValueError)
    for given in ({"items_per_job": 0}, {"max_parallel_jobs": 0}, {"temperature": -1}, {"model": "no-such-model"}):
        with pytest.raises(PackmuleError):
            BatchManager(**{"messages": one, "model": "sim/small", **given})
    assert [path for path in tmp_path.iterdir() if path.name != ".packmule"] == []
    assert BatchManager(messages=one, model="sim/small").stats["total_items"] == 1


@pytest.mark.parametrize(("count", "jobs"), [(0, 0), (99, 1), (100, 1), (101, 2)])
def test_door4_02_items_go_out_in_as_few_jobs_as_hold_them(
    provider: Sim, tmp_path: Path, count: int, jobs: int
) -> None:
    results = manager(provider, tmp_path, talks(count)).run()
    assert len(results) == count
    assert results["completed_items"] == count
    assert len(state_of(tmp_path)["jobs"]) == jobs
    provider.check(jobs=jobs, calls=count)


def test_door4_03_files_are_paths_or_bytes_and_a_missing_one_is_told_before_anything_is_sent(
    provider: Sim, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The blue lamp costs 12 euros.")
    (tmp_path / "empty.txt").write_text("")
    subprocess.run(
        [sys.executable, EXAMPLES / "make_invoices.py", "--count", "2", "--to", tmp_path / "pdf"], check=True
    )
    pdf = tmp_path / "pdf" / "invoice_001.pdf"
    bad = [str(tmp_path / "a.txt"), tmp_path / "gone.pdf", tmp_path / "empty.txt", tmp_path, b""]
    with pytest.raises(BatchManagerError) as error:
        manager(provider, tmp_path, files=bad, prompt="What is it?")
    for said in ("gone.pdf does not exist", "empty.txt is empty", "is not a file", "files[4] is empty"):
        assert said in error.value.message
    assert provider.jobs() == []
    good = [str(tmp_path / "a.txt"), pdf, (tmp_path / "pdf" / "invoice_002.pdf").read_bytes(), b"Plain words, too."]
    results = manager(provider, tmp_path, files=good, prompt="What is it?", job_linger=8).run()
    assert [type(result) for result in results] == [str] * 4
    contents = [item["content"] for item in items_of(state_of(tmp_path))]
    assert contents == [str(good[0]), str(pdf), f"<bytes length={len(good[2])}>", "<bytes length=17>"]
    provider.check(jobs=1, calls=4)


def test_door4_04_the_invoice_example_runs_offline_and_tells_the_truth(provider: Sim, tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make_invoices.py", "--to", tmp_path / "invoices"], check=True)
    folder = tmp_path / "invoices"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "invoice_processing.py"],
        cwd=folder,
        env={**CLEAN, **provider.env},
        capture_output=True,
        text=True,
        timeout=115,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    provider.check(jobs=10, calls=100)
    truth = json.loads((tmp_path / "invoices-truth.json").read_text())
    results = BatchManager.load_results_from_disk(folder / "invoice_results")
    assert len(results) == 100
    wrong = [
        (number, name)
        for number, (found, true) in enumerate(zip(results, truth.values(), strict=True))
        for name in ("invoice_number", "company_name", "total_amount")
        if found[name] != true[name]
    ]
    assert wrong == []
    assert all(
        cited["invoice_number"][0].text == found["invoice_number"]
        for found, cited in zip(results, results.citations, strict=True)
    )
    assert len(list((folder / "invoice_results" / "raw").iterdir())) == 100


def test_door4_05_no_more_than_max_parallel_jobs_are_at_the_provider(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 1\nsigma = 0.5\n") as provider:
        manager(provider, tmp_path, talks(60), items_per_job=10, max_parallel_jobs=3).run()
        spans = [(job["created_us"], job["created_us"] + job["duration_s"] * 1e6) for job in provider.jobs()]
    together = [sum(begun <= at < ended for begun, ended in spans) for at, _ in spans]
    assert max(together) == 3
    assert len(spans) == 6


def test_door4_06_results_keep_their_places_whatever_ends_first(tmp_path: Path) -> None:
    with sim(
        tmp_path, '[jobs]\nduration_s = 1\nsigma = 1.2\n[[fail]]\npattern = "number 17 "\nstatus = 400\n'
    ) as provider:
        made = manager(provider, tmp_path, talks(40), items_per_job=10, max_parallel_jobs=4)
        results = made.run()
        ends = [job["created_us"] + job["duration_s"] * 1e6 for job in provider.jobs()]
    assert ends != sorted(ends), "the jobs of this seed end in order, and nothing was tried"
    assert results[17] is None
    assert [n for n, result in enumerate(results) if result is not None and f"number {n} " not in result] == []
    assert sum(result is None for result in results) == 1


def test_door4_07_the_state_file_is_whole_at_every_instant(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 0.5\n") as provider:
        made = manager(provider, tmp_path, talks(60), items_per_job=5)
        first = state_of(tmp_path)
        keys = "manager_id created_at model items_per_job max_cost save_results_dir batch_kwargs jobs total_cost"
        assert list(first)[:10] == [*keys.split(), "last_updated"]
        assert [job["status"] for job in first["jobs"]] == ["pending"] * 12
        assert {item["status"] for item in items_of(first)} == {"pending"}
        broken: list[str] = []
        seen: set[str] = set()
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                try:
                    found = items_of(state_of(tmp_path))
                    seen.update(item["status"] for item in found)
                    assert len(found) == 60
                except Exception as error:
                    broken.append(repr(error))

        readers = [threading.Thread(target=read) for _ in range(8)]
        for reader in readers:
            reader.start()
        made.run()
        over.set()
        for reader in readers:
            reader.join()
        assert broken == []
        assert seen >= {"pending", "processing"}
        assert {item["status"] for item in items_of(state_of(tmp_path))} == {"succeeded"}
        # And whatever kills its writer.
        other = tmp_path / "other"
        other.mkdir()
        for after_s in (0.0, 0.4, 0.9):
            run = script(other, provider, "BatchManager(talks(300, 'Again {n}.'), items_per_job=5, **options).run()")
            until((other / "state.json").exists)
            time.sleep(after_s)
            run.kill()
            run.communicate()
            assert len(items_of(state_of(other))) == 300


def test_door4_08_every_item_has_its_end_its_cost_and_its_error_and_sums_are_sums(tmp_path: Path) -> None:
    with sim(tmp_path, '[[fail]]\npattern = "number 3 "\nstatus = 400\n') as provider:
        made = manager(provider, tmp_path, talks(12), items_per_job=5)
        before = state_of(tmp_path)
        time.sleep(1.1)
        made.run()
        state = state_of(tmp_path)
        bill = sum(line["cost_pico"] for line in provider.billed()) / 1e12
    for number, item in enumerate(items_of(state)):
        assert list(item) == ["original_index", "content", "status", "error", "cost", "completed_at"]
        assert item["original_index"] == number
        assert item["content"] == talks(12)[number]
        assert item["status"] == ("failed" if number == 3 else "succeeded")
        assert (item["error"] is None) == (number != 3)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["completed_at"])
    assert "cannot be processed" in items_of(state)[3]["error"]
    for job in state["jobs"]:
        assert list(job) == ["index", "batch_id", "status", "items", "job_cost", "started_at", "completed_at"]
        assert job["status"] == "completed"
        assert job["batch_id"].startswith("msgbatch_")
        assert job["job_cost"] == pytest.approx(sum(item["cost"] for item in job["items"]), abs=1e-15)
        assert job["started_at"] <= job["completed_at"] == max(item["completed_at"] for item in job["items"])
    assert state["total_cost"] == pytest.approx(sum(job["job_cost"] for job in state["jobs"]), abs=1e-15)
    assert state["total_cost"] == pytest.approx(bill, abs=1e-15)
    assert state["last_updated"] > before["last_updated"]


def test_door4_09_the_cost_limit_holds_and_a_higher_one_goes_on(provider: Sim, tmp_path: Path) -> None:
    def run(cap: float | None) -> packmule.RunResult:
        return manager(provider, tmp_path, talks(100), items_per_job=10, max_tokens=12, max_cost=cap).run()

    first = run(0.0004)
    spent, jobs = first["total_cost"], len(provider.jobs())
    assert first["cost_limit_reached"] is True
    assert 0 < spent <= 0.0004
    assert 30 <= first["completed_items"] < 100
    assert first["completed_items"] + first["failed_items"] + first["pending_items"] == 100
    assert first["failed_items"] == 0
    assert {item["status"] for item in items_of(state_of(tmp_path))} == {"succeeded", "pending"}
    again = run(None)
    assert again["cost_limit_reached"] is True
    assert (again["total_cost"], len(provider.jobs())) == (spent, jobs)
    with pytest.raises(CostLimitExceededError, match="below what has been spent"):
        run(spent / 2)
    last = run(1.0)
    assert last["cost_limit_reached"] is False
    assert last["completed_items"] == 100
    assert len(provider.billed()) == 100
    assert state_of(tmp_path)["max_cost"] == 1.0


def test_door4_10_a_killed_run_is_taken_up_where_it_was_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 2.5\n") as provider:
        run = script(
            tmp_path, provider, "BatchManager(talks(30), items_per_job=5, max_parallel_jobs=2, **options).run()"
        )
        done = lambda: "succeeded" in (tmp_path / "state.json").read_text() if (tmp_path / "state.json").exists() else 0  # noqa: E731
        until(done)
        until(lambda: any(job["status"] == "processing" and job["batch_id"] for job in state_of(tmp_path)["jobs"]))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        before = state_of(tmp_path)
        os.environ.update(provider.env)
        try:
            results = BatchManager(
                talks(30),
                model=MODEL,
                items_per_job=5,
                max_parallel_jobs=2,
                job_linger=0.5,
                state_path=tmp_path / "state.json",
            ).run()
        finally:
            del os.environ["ANTHROPIC_BASE_URL"]
        provider.check(jobs=6, calls=30)
        after = state_of(tmp_path)
    assert [n for n, result in enumerate(results) if f"number {n} " not in result] == []
    assert after["manager_id"] == before["manager_id"]
    for old, new in zip(before["jobs"], after["jobs"], strict=True):
        assert old["batch_id"] in {None, new["batch_id"]}
    for old, new in zip(items_of(before), items_of(after), strict=True):
        assert old["status"] != "succeeded" or old == new


def test_door4_11_a_state_file_of_another_batch_or_a_damaged_one_is_refused(provider: Sim, tmp_path: Path) -> None:
    manager(provider, tmp_path, talks(4)).run()
    kept = (tmp_path / "state.json").read_bytes()
    others: list[tuple[dict[str, Any], str]] = [
        ({"model": "claude-3-5-haiku-20241022"}, r"another model \(anthropic/claude-3-haiku-20240307\)"),
        ({"messages": talks(5)}, "is of 4 items, not of 5"),
        ({"messages": []}, "is of 4 items, not of 0"),
        ({"messages": talks(4, "Another text {n}.")}, "content is not the same"),
        ({"temperature": 1.0}, "another temperature"),
        ({"items_per_job": 7}, "items_per_job 100"),
        ({"response_model": {"type": "object"}}, "another response_model"),
    ]
    for given, said in others:
        with pytest.raises(StateFileError, match=said):
            manager(provider, tmp_path, **{"messages": talks(4), **given})
    assert (tmp_path / "state.json").read_bytes() == kept
    for broken in (
        kept[:-40],
        b"",
        b"[]",
        kept.replace(b'"original_index": 2', b'"original_index": 9'),
        b"\xff" + kept,
    ):
        (tmp_path / "state.json").write_bytes(broken)
        with pytest.raises(InvalidStateError, match=r"state\.json"):
            manager(provider, tmp_path, talks(4))
        assert (tmp_path / "state.json").read_bytes() == broken
    provider.check(jobs=1, calls=4)
    # Files are needed again, and must be what they were.
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("One lamp.")
    manager(provider, files, files=[files / "a.txt"], prompt="What is it?").run()
    (files / "a.txt").write_text("Two lamps.")
    with pytest.raises(StateFileError, match="content is not the same"):
        manager(provider, files, files=[files / "a.txt"], prompt="What is it?")
    (files / "a.txt").unlink()
    with pytest.raises(BatchManagerError, match="does not exist"):
        manager(provider, files, files=[files / "a.txt"], prompt="What is it?")


def test_door4_12_retry_asks_the_failed_items_again_and_counts_each_once(tmp_path: Path) -> None:
    with sim(tmp_path, '[[fail]]\npattern = "number [12]5? "\nstatus = 400\n') as provider:
        made = manager(provider, tmp_path, talks(20), items_per_job=10)
        first = made.run()
        assert (first["completed_items"], first["failed_items"]) == (17, 3)
        assert made.retry_failed()["failed_items"] == 3
        provider.again()
        second = made.retry_failed()
        assert second["retry_count"] == 3
        assert (second["total_items"], second["completed_items"], second["failed_items"]) == (20, 20, 0)
        assert [n for n, result in enumerate(second) if f"number {n} " not in result] == []
        # The first two jobs, one retry in vain, and one of the three alone that succeeds.
        assert [len(job["lines"]) for job in provider.jobs()] == [10, 10, 3, 3]
        items = items_of(state_of(tmp_path))
        assert [item["original_index"] for item in items] == list(range(20))
        assert {(item["status"], item["error"]) for item in items} == {("succeeded", None)}
        third = made.retry_failed()
        assert third["retry_count"] == 0
        assert third["note"] == "Nothing to retry: no item has failed."
        assert third["completed_items"] == 20


def test_door4_13_one_bad_item_fails_alone_even_where_it_fails_its_whole_job(tmp_path: Path) -> None:
    for kind in ("line", "name", "anonymous"):
        folder = tmp_path / kind
        folder.mkdir()
        with sim(folder, f'[[fail]]\npattern = "number 7 "\nstatus = 400\n[jobs]\nbad_line = "{kind}"\n') as provider:
            # A job that fails whole is OpenAI's way.
            results = manager(
                provider, folder, talks(20), items_per_job=10, model="openai/gpt-4o-mini", base_url=f"{provider.url}/v1"
            ).run()
        assert (results["completed_items"], results["failed_items"]) == (19, 1)
        failed = items_of(state_of(folder))[7]
        assert failed["status"] == "failed"
        assert failed["error"]


class Part(BaseModel):
    name: str
    euros: float


class Offer(BaseModel):
    title: str
    parts: list[Part]
    note: str | None = None


class Odd(BaseModel):
    count: int

    @field_validator("count")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            message = "count must be odd"
            raise ValueError(message)
        return value


def test_door4_14_results_lie_on_disk_as_jobs_end_and_are_read_back_in_order(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 1\n") as provider:
        made = manager(
            provider,
            tmp_path,
            talks(24, "An offer of {n} lamps for {n} euros."),
            items_per_job=2,
            max_parallel_jobs=4,
            response_model=Offer,
            save_results_dir=tmp_path / "out",
        )
        thread = threading.Thread(target=made.run)
        thread.start()
        until((tmp_path / "out" / "processed" / "job_0_results.json").exists)
        assert made.stats["pending_items"] > 0, "written when all was over"
        thread.join()
        results = made.results()
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json"))
    assert names == sorted(
        [f"processed/job_{job}_results.json" for job in range(12)]
        + [f"raw/job_{job}_item_{item}.json" for job in range(12) for item in range(2)]
    )
    raw = json.loads((tmp_path / "out" / "raw" / "job_11_item_1.json").read_text())
    assert (raw["type"], raw["role"]) == ("message", "assistant")
    saved = json.loads((tmp_path / "out" / "processed" / "job_11_results.json").read_text())
    assert list(saved) == ["results", "citations"]
    assert len(saved["results"]) == len(saved["citations"]) == 2
    loaded = BatchManager.load_results_from_disk(tmp_path / "out", Offer)
    assert loaded == list(results)
    assert all(isinstance(result, Offer) for result in loaded)


def test_door4_15_answers_are_of_the_response_model_or_fail_with_what_is_wrong(provider: Sim, tmp_path: Path) -> None:
    results = manager(provider, tmp_path, talks(3, "An offer of {n} lamps."), response_model=Offer).run()
    assert all(isinstance(result, Offer) and isinstance(result.parts[0], Part) for result in results)
    (tmp_path / "odd").mkdir()
    counts = talks(6, "count: {n}")
    odd = manager(provider, tmp_path / "odd", counts, response_model=Odd).run()
    failed = [item for item in items_of(state_of(tmp_path / "odd")) if item["status"] == "failed"]
    assert failed, "no answer broke the model's own rule, and nothing was tried"
    assert all("count must be odd" in item["error"] for item in failed)
    assert all((result is None) == (n in {item["original_index"] for item in failed}) for n, result in enumerate(odd))
    # The rule holds in a manager that goes on, too.
    assert manager(provider, tmp_path / "odd", counts, response_model=Odd).retry_failed()["failed_items"] == len(failed)
    (tmp_path / "text").mkdir()
    assert isinstance(manager(provider, tmp_path / "text", talks(1)).run()[0], str)


class Lamp(BaseModel):
    price: float
    colour: str | None = None


class Delivery(BaseModel):
    customer_name: str
    lamp: Lamp
    weight_kg: float | None = None


def test_door4_16_citations_are_places_in_the_document(provider: Sim, tmp_path: Path) -> None:
    texts = [f"Customer name: Żółw & Côté {n}\nLamp, price: {n}12.50 EUR\nThank you – {n}.\n" for n in range(1, 5)]
    files = [text.encode() for text in texts]
    made = manager(
        provider,
        tmp_path,
        files=files,
        prompt="Extract the delivery",
        response_model=Delivery,
        enable_citations=True,
        save_results_dir=tmp_path / "out",
    )
    results = made.run()
    assert results["completed_items"] == 4
    for text, cited, result in zip(texts, results.citations, results, strict=True):
        for places in cited.values():
            assert all(text[place.start : place.end] == place.text for place in places)
        assert cited["customer_name"][0].text == result.customer_name
        assert cited["lamp.price"][0].text == f"{result.lamp.price:.2f}"
        assert cited["weight_kg"] == []
    saved = json.loads((tmp_path / "out" / "processed" / "job_0_results.json").read_text(encoding="utf-8"))
    place = saved["citations"][0]["customer_name"][0]
    assert texts[0][place["start"] : place["end"]] == place["text"]
    assert BatchManager.load_results_from_disk(tmp_path / "out", Delivery).citations == results.citations


def test_door4_17_the_progress_block_is_the_briefs(tmp_path: Path, capfd: Any) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 1.2\n") as provider:
        call = (
            "BatchManager(talks(30), items_per_job=5, max_parallel_jobs=2, max_cost=10, {more}**options).run({shown})"
        )
        run = script(tmp_path, provider, call.format(more="", shown="print_progress=True"))
        out, err = run.communicate(timeout=60)
        assert BLOCK.fullmatch(out), out
        assert out.startswith("Processing: 30/30 items (100.0%)\nJobs: 6/6 completed, 0 in progress\n")
        assert err == ""
        silent = script(tmp_path, provider, call.format(more="store='other.db', ", shown="print_progress=False"))
        assert silent.communicate(timeout=60) == ("", "")
        blocks = _on_a_terminal(tmp_path, provider, call.format(more="", shown="print_progress=True"))
    assert 3 <= len(blocks) <= 20
    assert all(BLOCK.fullmatch(block) for block in blocks), blocks
    assert any("ETA: ~" in block for block in blocks)
    assert any(", 2 in progress" in block for block in blocks)


def _on_a_terminal(folder: Path, provider: Sim, call: str) -> list[str]:
    """Every block that the call draws where standard output is a terminal."""
    (folder / "state.json").unlink()
    leader, follower = pty.openpty()
    code = "from packmule import BatchManager\nfrom tests.manager.harness import talks\n"
    code += f"options = dict(model={MODEL!r}, job_linger=0.5, state_path='state.json')\n{call}"
    env = {**CLEAN, **provider.env, "TERM": "xterm", "PYTHONPATH": str(EXAMPLES.parent)}
    run = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=follower, stderr=subprocess.PIPE, env=env)
    os.close(follower)
    raw = b""
    try:
        while piece := os.read(leader, 65_536):
            raw += piece
    except OSError:
        pass  # how a terminal says that nobody writes any more
    assert run.stderr is not None
    run.communicate(timeout=60)
    assert run.returncode == 0
    return [part for part in re.split(r"\x1b\[\d+F\x1b\[J", raw.decode().replace("\r\n", "\n")) if part]


def test_door4_18_stats_may_be_asked_at_any_time_from_any_thread(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 1\n") as provider:
        made = manager(provider, tmp_path, talks(30), items_per_job=5, max_parallel_jobs=2, max_cost=10)
        assert made.stats["jobs"] == {"total": 6, "pending": 6, "processing": 0, "completed": 0, "failed": 0}
        seen: list[dict[str, Any]] = []
        thread = threading.Thread(target=made.run)
        thread.start()
        while thread.is_alive():
            seen.append(made.stats)
            time.sleep(0.1)
        thread.join()
        seen.append(made.stats)
    for stats in seen:
        assert stats["total_items"] == 30
        assert stats["completed_items"] + stats["failed_items"] + stats["pending_items"] == 30
        states = dict(stats["jobs"])
        assert states.pop("total") == sum(states.values()) == 6
        assert stats["total_cost"] <= stats["max_cost"] == 10
    assert max(stats["jobs"]["processing"] for stats in seen) == 2
    assert any(stats["eta_s"] for stats in seen)
    assert seen[-1]["percent_complete"] == 100
    assert seen[-1]["eta_s"] == 0
    assert seen[-1]["elapsed_s"] > 0


def test_door4_19_ctrl_c_saves_the_state_leaves_jobs_to_the_provider_and_the_next_run_fetches(tmp_path: Path) -> None:
    with sim(tmp_path, SLOW) as provider:
        call = "BatchManager(talks(20), items_per_job=5, max_parallel_jobs=2, **options).run()"
        run = script(tmp_path, provider, f"try:\n    {call}\nexcept KeyboardInterrupt:\n    print('interrupted')")
        until(lambda: len(provider.jobs()) == 2)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=15)
        assert (run.returncode, out) == (0, "interrupted\n")
        assert "jobs at the provider go on" in err
        state = state_of(tmp_path)
        assert [job["status"] for job in state["jobs"]] == ["processing"] * 2 + ["pending"] * 2
        assert all(job["batch_id"] for job in state["jobs"][:2])
        again = script(tmp_path, provider, f"print(len({call}))")
        assert again.communicate(timeout=60) == ("20\n", "")
        provider.check(jobs=4, calls=20)


def test_door4_20_a_second_manager_on_one_state_file_is_refused(tmp_path: Path) -> None:
    with sim(tmp_path, "[jobs]\nduration_s = 2\n") as provider:
        made = manager(provider, tmp_path, talks(4))
        waiting = manager(provider, tmp_path, talks(4))
        thread = threading.Thread(target=made.run)
        thread.start()
        until(lambda: len(provider.jobs()) == 1)
        for second in (lambda: manager(provider, tmp_path, talks(4)), waiting.run, waiting.retry_failed):
            with pytest.raises(StateFileError, match="in use by another manager"):
                second()
        other = script(tmp_path, provider, "BatchManager(talks(4), **options)")
        assert f"in use by another manager (pid {os.getpid()})" in other.communicate()[1]
        thread.join()
        assert len(waiting.run()) == 4
        provider.check(jobs=1, calls=4)

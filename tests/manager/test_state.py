"""The state file as a handle: deleted, copied elsewhere, with and without its store; and `batch()` beside it."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from packmule import BatchManager, SourceError, StateFileError, batch
from tests.cli.command import packmule
from tests.manager.harness import MODEL, Sim, items_of, manager, script, sim, state_of, talks, until


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Sim]:
    with sim(tmp_path) as found:
        yield found


def test_deleting_the_state_file_begins_afresh_and_says_what_was_spent(
    provider: Sim, tmp_path: Path, caplog: Any
) -> None:
    first = manager(provider, tmp_path, talks(4)).run()
    (tmp_path / "state.json").unlink()
    with caplog.at_level(logging.WARNING, "packmule"):
        second = manager(provider, tmp_path, talks(4)).run()
    assert "over the same items has cost or may have cost" in caplog.text
    assert "packmule resume batch-" in caplog.text
    provider.check(jobs=2, calls=8)
    assert second["total_cost"] == first["total_cost"]


def test_a_manager_without_a_state_file_is_a_batch_of_its_own(provider: Sim, tmp_path: Path) -> None:
    store = tmp_path / "mine" / "store.db"
    for _ in range(2):
        assert len(manager(provider, tmp_path, talks(3), state_path=None, store=store).run()) == 3
    assert not (tmp_path / "state.json").exists()
    assert store.exists()
    provider.check(jobs=2, calls=6)


def _elsewhere(here: Path, there: Path, *names: str) -> Path:
    """Another machine, to which only these were copied; the store here is gone."""
    there.mkdir()
    for name in names:
        (shutil.copytree if (here / name).is_dir() else shutil.copy)(here / name, there / name)
    shutil.rmtree(here / ".packmule")
    return there


def test_copied_with_its_results_it_goes_on_without_the_store_and_redoes_nothing(provider: Sim, tmp_path: Path) -> None:
    here = tmp_path / "here"
    asked = talks(60)
    more: dict[str, Any] = {"items_per_job": 10, "max_tokens": 12}
    first = manager(provider, here, asked, max_cost=0.0002, save_results_dir=here / "out", **more).run()
    done, calls = first["completed_items"], len(provider.billed())
    assert 0 < done < 60
    before = items_of(state_of(here))
    there = _elsewhere(here, tmp_path / "there", "state.json", "out")
    made = manager(provider, there, asked, max_cost=1.0, save_results_dir=there / "out", **more)
    assert made.stats["completed_items"] == done
    assert made.stats["total_cost"] == first["total_cost"]
    results = made.run()
    assert [n for n, result in enumerate(results) if f"number {n} " not in result] == []
    assert len(provider.billed()) == 60 > calls
    assert results["total_cost"] == pytest.approx(sum(line["cost_pico"] for line in provider.billed()) / 1e12)
    after = items_of(state_of(there))
    assert [new for old, new in zip(before, after, strict=True) if old["status"] == "succeeded" and old != new] == []
    # The file is now of the new batch, and a third manager finds that.
    assert len(manager(provider, there, asked, save_results_dir=there / "out", **more).run()) == 60
    assert len(provider.billed()) == 60


def test_copied_without_its_results_it_is_refused_and_says_what_to_copy(provider: Sim, tmp_path: Path) -> None:
    here = tmp_path / "here"
    manager(provider, here, talks(3), save_results_dir=here / "out").run()
    there = _elsewhere(here, tmp_path / "there", "state.json")
    kept = (there / "state.json").read_bytes()
    with pytest.raises(StateFileError, match=r"the result of item 0 is not in save_results_dir") as error:
        manager(provider, there, talks(3))
    assert "copy the folder of results" in error.value.hint
    with pytest.raises(StateFileError, match=r"job_0_results\.json"):
        manager(provider, there, talks(3), save_results_dir=there / "none")
    assert (there / "state.json").read_bytes() == kept


def test_money_of_jobs_on_their_way_opens_the_new_ledger_as_unknown(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with sim(tmp_path, "[jobs]\nduration_s = 60\n") as provider:
        run = script(here, provider, "BatchManager(talks(5), **options).run()")
        until(provider.jobs)
        until(lambda: state_of(here)["jobs"][0]["batch_id"])
        run.send_signal(signal.SIGINT)
        run.communicate()
    held = float(state_of(here)["packmule"]["facts"]["unknown_usd"])
    assert held > 0
    (tmp_path / "two").mkdir()
    with sim(tmp_path / "two") as other:
        there = _elsewhere(here, tmp_path / "there", "state.json")
        said = script(there, other, "print(BatchManager(talks(5), **options).run().summary)").communicate()[0]
    assert f"'unknown_cost': {held}" in said
    assert "'completed_items': 5" in said


def test_a_batch_of_a_manager_is_shown_and_resumed_from_the_terminal_too(provider: Sim, tmp_path: Path) -> None:
    manager(provider, tmp_path, talks(30), items_per_job=10, max_tokens=12, max_cost=0.00012).run()
    name = state_of(tmp_path)["packmule"]["batch_id"]
    store = ("--store", str(tmp_path / ".packmule" / "store.db"))
    assert name in packmule(tmp_path, "list", *store).out
    said = packmule(tmp_path, "resume", name, *store, "--max-cost", "1", env=provider.env)
    assert said.code == 0, said.err
    results = manager(provider, tmp_path, talks(30), items_per_job=10, max_tokens=12).run()
    assert [n for n, result in enumerate(results) if f"number {n} " not in result] == []
    assert len(provider.billed()) == 30


def test_files_that_cannot_be_used_are_named_before_anything_is_sent(provider: Sim, tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04 something")
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "a.txt").write_text("One lamp.")
    files = [tmp_path / "a.txt", tmp_path / "a.docx", tmp_path / "blank.txt"]
    with pytest.raises(SourceError, match=r"3 items given, 1 can be used: .*a\.docx: \.docx is not read yet"):
        manager(provider, tmp_path, files=files, prompt="What is it?")
    assert provider.jobs() == []


class Offer(BaseModel):
    title: str


def test_batch_hands_all_over_at_once_and_tells_when_it_is_complete(provider: Sim, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    job = batch(
        MODEL, talks(7), response_model=Offer, raw_results_dir=raw, base_url=provider.url, store=tmp_path / "store.db"
    )
    end = time.monotonic() + 30
    while not job.is_complete():
        assert time.monotonic() < end
        time.sleep(0.05)
    found = job.results()
    assert [set(entry) for entry in found] == [{"result", "citations"}] * 7
    assert all(isinstance(entry["result"], Offer) and entry["citations"] is None for entry in found)
    assert sorted(path.name for path in raw.iterdir()) == sorted(f"{job.id}_{n}.json" for n in range(7))
    assert json.loads((raw / f"{job.id}_0.json").read_text())["role"] == "assistant"
    stats = job.stats()
    assert (stats["is_complete"], stats["request_count"], stats["total_results"]) == (True, 7, 7)
    assert stats["total_output_tokens"] > 0
    provider.check(jobs=1, calls=7)
    empty = batch(MODEL, [])
    assert (empty.id, empty.is_complete(), empty.results()) == ("empty_batch", True, [])


def test_the_embedded_provider_needs_no_key_and_no_address(tmp_path: Path) -> None:
    made = BatchManager(talks(12), model="sim/small", items_per_job=6, state_path=tmp_path / "state.json")
    results = made.run()
    assert len(results) == results["completed_items"] == 12
    assert [job["status"] for job in state_of(tmp_path)["jobs"]] == ["completed"] * 2

"""The store itself: what it refuses, what it keeps when the disk fails, and that sums are sums."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packmule.core.batch import Limits, Plan, Round, SourceMark, Spec
from packmule.core.group import Group
from packmule.core.items import SourceItem
from packmule.errors import LeaseLost, StoreError, StoreFull, UsageError
from packmule.store import BatchJournal, Store, batches, reads
from packmule.store.packing import PLAIN_MAX, pack, unpack
from packmule.testing import ScriptedEndpoint, SimClock
from tests.engine.harness import Bench, one_call, three_calls
from tests.store.test_lease import held_group, store_with_batch


def test_a_store_is_private_and_opened_again_as_it_was(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    store.close()
    again = Store(store.path)
    assert batches.get(again, "batch-a").total == 3
    again.close()


def test_a_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_newer_or_foreign_or_damaged_file_is_refused_and_untouched(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"\x00\x01noise" * 999)
    for path, says in ((newer, "newer packmule"), (noise, "damaged or not")):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=says):
            Store(path)
        assert path.read_bytes() == before
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)


def test_two_processes_write_at_once_and_both_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    code = (
        "import sys; from pathlib import Path; from packmule.store import Store, batches;"
        "from packmule.core.batch import Plan, Spec, SourceMark;"
        "s = Store(Path(sys.argv[1]));"
        "plan = Plan(Spec(recipe='t'), SourceMark('s', '0', 0));"
        "[batches.create(s, f'{sys.argv[2]}-{n}', plan, 'c', n) for n in range(60)]"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(store.path), name]) for name in ("a", "b")]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(batches.newest(store, 1000)) == 120
    store.close()


def test_threads_share_a_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    plan = Plan(Spec(recipe="t"), SourceMark("s", "0", 0))

    def work(name: str) -> None:
        for n in range(20):
            batches.create(store, f"{name}-{n}", plan, "c", n)
            batches.newest(store)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(batches.newest(store, 1000)) == 80
    store.close()


def test_ids_may_be_shortened_as_long_as_they_are_clear(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    plan = Plan(Spec(recipe="t"), SourceMark("s", "0", 0))
    batches.create(store, "batch-b1", plan, "c", 0)
    batches.create(store, "batch-b2", plan, "c", 0)
    assert batches.get(store, "b1").id == "batch-b1"
    with pytest.raises(UsageError, match="several"):
        batches.get(store, "batch-b")
    with pytest.raises(UsageError, match="no batch"):
        batches.get(store, "zzz")
    store.close()


def test_a_group_is_all_or_nothing(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    epoch, lock = batches.take_lease(store, batches.get(store, "batch-a"))
    group = held_group(epoch)
    group.attempt_ends.append(("answered", 1, 1, 1, False, None, None, None, 5, 1, 99, 0, 0))
    with pytest.raises(AssertionError, match="end_attempt"):
        store.commit(1, epoch, group)
    assert reads.sums(store, 1)["attempts"] == 0
    assert batches.reload(store, 1).held == 0
    lock.drop()
    store.close()


def test_a_commit_above_the_cap_is_refused_by_the_store_itself(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    row = batches.get(store, "batch-a")
    batches.set_limits(store, row, Limits(max_cost=6), 0, "test")
    epoch, lock = batches.take_lease(store, row)
    with pytest.raises(AssertionError, match="overshot"):
        store.commit(1, epoch, held_group(epoch, worst=7))
    store.commit(1, epoch, held_group(epoch, worst=6))
    lock.drop()
    store.close()


def test_large_values_are_packed_and_come_back(tmp_path: Path) -> None:
    for data in (b"{}", b'"' + b"x" * PLAIN_MAX + b'"', os.urandom(9).hex().encode() * 500):
        assert unpack(pack(data)) == data
    assert len(pack(b"a" * 10_000)) < 200


def test_blobs_are_kept_by_their_content_and_damage_is_found(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    name = store.blobs.put(b"picture")
    assert store.blobs.put(b"picture") == name
    assert store.blobs.get(name) == b"picture"
    path = next(p for p in (tmp_path / "blobs").rglob("*") if p.is_file())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"other")
    with pytest.raises(StoreError, match="damaged"):
        store.blobs.get(name)
    path.unlink()
    with pytest.raises(StoreError, match="not in the store"):
        store.blobs.get(name)
    store.close()


def test_rounds_reopen_what_they_should(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    row = batches.create(store, "batch-a", Plan(Spec(recipe="t"), SourceMark("s", "0", 0)), "test", 0)
    items = [
        ("a", SourceItem("a", {}, "filtered")),
        ("b", SourceItem("b", {}, "duplicate")),
        ("c", SourceItem("c", {})),
    ]
    batches.add_items(store, row.batch, 0, items)
    assert batches.open_round(store, batches.reload(store, 1), Round(1), ("skipped", "failed"), 0) == 1
    now = batches.reload(store, 1)
    assert (now.pending, now.skipped, now.round.number) == (2, 1, 1)
    assert [item.round for item in reads.pending(store, 1, begun=True, after=-1, limit=9)] == [1]
    store.close()


class Failing(BatchJournal):
    """A disk that fails at some commits; `late` ones fail after they have reached the disk."""

    def __init__(self, bench: Bench, fails: set[int], *, late: bool) -> None:
        super().__init__(bench.store, bench.batch)
        self.fails, self.late, self.commits, self.released = fails, late, 0, 0

    def commit(self, epoch: int, group: Group) -> int:
        self.commits += 1
        if self.commits in self.fails:
            if self.late:
                super().commit(epoch, group)
            message = "the disk is full"
            raise StoreFull(message)
        return super().commit(epoch, group)

    def release_ballast(self) -> None:
        self.released += 1
        super().release_ballast()


@pytest.mark.parametrize("late", [False, True], ids=["not-written", "written"])
def test_a_commit_that_fails_is_kept_and_written_once(tmp_path: Path, late: bool) -> None:
    bench = Bench(tmp_path, three_calls, [f"t{n}" for n in range(12)], Limits(concurrency=4))
    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        made.append(ScriptedEndpoint(clock, latency_s=lambda: 0.7))
        return made

    journal = Failing(bench, {4, 9, 10, 17}, late=late)
    assert bench.run(endpoints, journal=journal).reason == "done"
    assert journal.released == 4
    assert made[0].billed == bench.row.settled
    assert set(made[0].sent.values()) == {1}
    bench.check_books()
    kinds = [data.get("reason") for _, _, kind, data in reads.events(bench.store, bench.batch) if kind == "paused"]
    assert "disk" in kinds


def test_losing_the_lease_ends_the_run_and_writes_nothing(tmp_path: Path) -> None:
    class Robbed(BatchJournal):
        def commit(self, epoch: int, group: Group) -> int:
            if group.attempt_ends:
                self._store.write("take_epoch", (self._batch, epoch))
            return super().commit(epoch, group)

    bench = Bench(tmp_path, one_call, ["a", "b"], Limits(concurrency=2))
    with pytest.raises(LeaseLost):
        bench.run(lambda clock: [ScriptedEndpoint(clock)], journal=Robbed(bench.store, bench.batch))
    assert reads.sums(bench.store, bench.batch)["settled"] == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of twelve megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this user cannot mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_stops_sending_keeps_what_was_paid_and_goes_on_with_space(small_disk: Path) -> None:
    big = "x" * 60_000
    bench = Bench(small_disk, one_call, [f"t{n}" for n in range(400)], Limits(concurrency=4))
    made: list[ScriptedEndpoint] = []

    def endpoints(clock: SimClock) -> list[ScriptedEndpoint]:
        chance = random.Random(1)

        def say(text: str, nth: int) -> str:
            del text, nth
            return chance.randbytes(30_000).hex() + big

        made.append(ScriptedEndpoint(clock, say, latency_s=lambda: 0.3))
        return made

    seen: dict[str, Any] = {}

    async def steer(runner: Any) -> None:
        while "disk" not in runner.latches:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        seen["sent"] = sum(made[0].sent.values())
        seen["closed"] = runner.tap.closed
        await asyncio.sleep(5)
        seen["later"] = sum(made[0].sent.values())
        subprocess.run(["mount", "-o", "remount,size=120m", str(small_disk)], check=True)  # noqa: ASYNC221

    ending = bench.run(endpoints, steer=steer)
    assert ending.reason == "done"
    assert seen["closed"] == "disk"
    assert seen["sent"] == seen["later"] < 400
    assert set(made[0].sent.values()) == {1}
    assert made[0].billed == bench.row.settled
    bench.check_books()
    bench.store.close()


def test_a_live_row_of_another_packmule_is_no_obstacle(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    batch = batches.get(store, "batch-a").batch
    store.write("set_live", (batch, 0, '{"at": "yesterday", "pulse": {"new": 1}}'))
    assert reads.live(store, batch) is None
    store.write("set_live", (batch, 7, '{"at": 7, "something": "new"}'))
    assert reads.live(store, batch) is not None
    store.close()

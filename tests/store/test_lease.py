"""At most one live runner a batch: locks of real processes, epochs, zombies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from packmule.core.batch import Plan, SourceMark, Spec
from packmule.core.group import Group
from packmule.core.items import SourceItem
from packmule.errors import LeaseHeld, LeaseLost
from packmule.store import Store, batches, reads

RACES = 300 if os.environ.get("PACKMULE_PROOF") else 40
TAKER = """
import sys, time
from pathlib import Path
from packmule.errors import LeaseHeld
from packmule.store import Store, batches
store = Store(Path(sys.argv[1]))
row = batches.get(store, "batch-a")
sys.stdin.readline()
for line in sys.stdin:
    try:
        epoch, lock = batches.take_lease(store, row)
    except LeaseHeld:
        print("held", flush=True)
    else:
        print(f"took {epoch}", flush=True)
        sys.stdin.readline()
        lock.drop()
        print("dropped", flush=True)
"""


def store_with_batch(folder: Path) -> Store:
    store = Store(folder / "store.db")
    row = batches.create(store, "batch-a", Plan(Spec(recipe="t"), SourceMark("s", "0", 0)), "test", 0)
    batches.add_items(store, row.batch, 0, [(str(n), SourceItem(str(n), {"n": n})) for n in range(3)])
    return store


def taker(store: Store) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", TAKER, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    tell(process)
    return process


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def held_group(epoch: int, seq: int = 0, worst: int = 7) -> Group:
    group = Group()
    group.calls.append((1, seq, 0, 0, b"d", 0, None, b"{}"))
    group.attempts.append((1, seq, 0, 0, epoch, "m", worst, 1, None, None))
    group.begun.append(seq)
    group.counts["held"] += worst
    group.counts["attempts"] += 1
    return group


def test_a_live_runner_is_left_alone_and_a_dead_ones_lock_is_free(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    row = batches.get(store, "batch-a")
    other = taker(store)
    tell(other)
    assert heard(other) == "took 1"
    with pytest.raises(LeaseHeld, match=f"pid {other.pid}"):
        batches.take_lease(store, row)
    assert batches.is_running(store, batches.reload(store, row.batch))
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert not batches.is_running(store, batches.reload(store, row.batch))
    epoch, lock = batches.take_lease(store, row)
    assert epoch == 2
    lock.drop()
    store.close()


def test_races_have_exactly_one_winner(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    racers = [taker(store) for _ in range(3)]
    epochs: list[int] = []
    for _ in range(RACES):
        for racer in racers:
            tell(racer)
        said = {racer.pid: heard(racer) for racer in racers}
        winners = [racer for racer in racers if said[racer.pid].startswith("took")]
        assert len(winners) == 1, said
        epochs.append(int(said[winners[0].pid].split()[1]))
        tell(winners[0])
        assert heard(winners[0]) == "dropped"
    assert epochs == sorted(set(epochs))
    for racer in racers:
        racer.kill()
        racer.communicate()
    store.close()


def test_a_taken_over_zombie_writes_nothing_more(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    row = batches.get(store, "batch-a")
    zombie = taker(store)
    tell(zombie)
    assert heard(zombie) == "took 1"
    zombie.send_signal(signal.SIGSTOP)
    with pytest.raises(LeaseHeld):
        batches.take_lease(store, row)
    epoch, lock = batches.take_lease(store, row, take_over=True)
    assert epoch == 2
    with pytest.raises(LeaseLost):
        store.commit(row.batch, 1, held_group(1))
    assert reads.sums(store, row.batch)["attempts"] == 0
    store.commit(row.batch, 2, held_group(2))
    zombie.send_signal(signal.SIGCONT)
    zombie.kill()
    zombie.communicate()
    lock.drop()
    store.close()


def test_what_a_dead_runner_had_on_its_way_becomes_unknown_and_stays_owed(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    row = batches.get(store, "batch-a")
    epoch, lock = batches.take_lease(store, row)
    store.commit(row.batch, epoch, held_group(epoch, 0, 7))
    store.commit(row.batch, epoch, held_group(epoch, 2, 5))
    lock.drop()
    epoch, lock = batches.take_lease(store, batches.reload(store, row.batch))
    assert batches.recover(store, batches.reload(store, row.batch), epoch, 0) == 2
    now = batches.reload(store, row.batch)
    assert (now.held, now.unknown) == (0, 12)
    assert {(u.seq, u.worst, u.fault) for u in reads.unknown(store, row.batch)} == {(0, 7, "died"), (2, 5, "died")}
    assert batches.recover(store, now, epoch, 0) == 0
    lock.drop()
    store.close()


def test_a_lock_file_left_behind_is_no_lock(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    row = batches.get(store, "batch-a")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "store.batch-a.0.lock").write_text("4711\n")
    epoch, lock = batches.take_lease(store, row)
    assert epoch == 1
    assert [p.name for p in (tmp_path / "locks").iterdir()] == ["store.batch-a.1.lock"]
    lock.drop()
    assert not list((tmp_path / "locks").iterdir())
    store.close()


def test_a_reader_never_waits_for_a_writer(tmp_path: Path) -> None:
    store = store_with_batch(tmp_path)
    other = Store(store.path)
    with store.transaction():
        start = time.perf_counter()
        assert batches.get(other, "batch-a").total == 3
        assert time.perf_counter() - start < 1
    other.close()
    store.close()

"""Pull the plug at any moment, let the disk refuse at any moment: what was paid or sent must still be known.

Power: the real command runs under strace against the HTTP sim; its writes and syncs are replayed into images of the
disk as a power cut may leave it: all that was synced, and of the rest a random part, torn at sectors. In every image
the store must open, hold each answer that was durable, and know every request that had left by then. As a control
the same is done for a disk that ignores syncs: there answers must be missing, or the judge is blind.

Refusals: the n-th sync fails with an I/O error, or writes from the n-th on find no space; the same command again must
come to the end, with the provider's bill inside the books.

    python bench/power.py [--images 400] [--faults 40] [--seed 1]       needs strace
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from crash import CAP_USD, Tally, bill_of, books, judge, packmule, start_sim

from packmule.store import Store, batches, reads

SECTOR = 512
ITEMS = 60
CALLS = "pwrite64,ftruncate,fdatasync,fsync,unlink,write,writev,sendto"
LINE = re.compile(r"^(\d+) +(\w+)\((?:\d+<(.*?)>(?=[,)]| <unfinished)|\"([^\"]*)\")(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. f(?:data)?sync resumed")
HEX = re.compile(r"\\x([0-9a-f]{2})")
ITEM = re.compile(rb"parcel (\d+) ")
Facts = dict[tuple[int, int, int], str]


def unhex(text: str) -> bytes:
    """The bytes of a string as strace prints it in hex."""
    return bytes.fromhex("".join(HEX.findall(text)))


@dataclass
class Disk:
    """One disk: for each file what is durable, and what was written since, in order."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    loose: dict[str, list[tuple[int, bytes | None]]] = field(default_factory=lambda: defaultdict(list))
    unlinked: set[str] = field(default_factory=set)

    def write(self, name: str, offset: int, data: bytes | None) -> None:
        """Data at an offset; None truncates there."""
        self.durable.setdefault(name, bytearray())
        self.unlinked.discard(name)
        self.loose[name].append((offset, data))

    def sync(self, name: str) -> None:
        """Everything written to it is durable now."""
        for offset, data in self.loose.pop(name, []):
            place(self.durable[name], offset, data)

    def sync_folder(self) -> None:
        """So are the names."""
        for name in self.unlinked:
            self.durable.pop(name, None)
            self.loose.pop(name, None)
        self.unlinked.clear()

    def image(self, folder: Path, chance: random.Random | None) -> None:
        """Write the files as a cut may leave them; without `chance` as they are for the running program."""
        for name, durable in self.durable.items():
            if name in self.unlinked and (chance is None or chance.random() < 0.5):
                continue
            data = bytearray(durable)
            for offset, piece in self.loose.get(name, []):
                if chance is None or piece is None:
                    place(data, offset, piece)
                    continue
                for start in range(0, len(piece), SECTOR):
                    if chance.random() < 0.5:
                        place(data, offset + start, piece[start : start + SECTOR])
            (folder / name).write_bytes(data)


def place(data: bytearray, offset: int, piece: bytes | None) -> None:
    """Put a piece where it belongs, with zeros before it where there is nothing."""
    if piece is None:
        del data[offset:]
        data.extend(bytes(offset - len(data)))
        return
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


@dataclass(frozen=True)
class Step:
    """One thing that happened, in order: 'write', 'sync', 'folder', 'unlink' of a store's file, or 'sent'."""

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes | None = None


def steps_of(trace: Path, store: Path) -> list[Step]:
    """The steps that concern the store and the provider."""
    found: list[Step] = []
    syncing: dict[str, Step] = {}
    for line in trace.read_text().splitlines():
        resumed = RESUMED.match(line)
        if resumed is not None and resumed[1] in syncing:
            found.append(syncing.pop(resumed[1]))
        match = LINE.match(line)
        if match is None:
            continue
        pid, call, file, plain, rest = match.groups()
        path = Path(os.fsdecode(unhex(file if file is not None else plain)))
        for step in step_of(call, path, rest or "", store):
            if step.kind in {"sync", "folder"} and line.endswith("<unfinished ...>"):
                syncing[pid] = step
            else:
                found.append(step)
    return found


def step_of(call: str, path: Path, rest: str, store: Path) -> list[Step]:
    """What one call did to the store or sent to the provider."""
    ours = path.parent == store.parent and path.name in {store.name, f"{store.name}-wal", f"{store.name}-journal"}
    if call in {"write", "writev", "sendto"}:
        if not path.name.startswith("socket:"):
            return []
        sent = b"".join(unhex(text) for text in re.findall(r'"([^"]*)"', rest))
        return [Step("sent", item.decode()) for item in ITEM.findall(sent)]
    if call in {"fdatasync", "fsync"}:
        return [Step("folder")] if path == store.parent else [Step("sync", path.name)] if ours else []
    if not ours:
        return []
    if call == "unlink":
        return [Step("unlink", path.name)]
    text, _, numbers = rest.rpartition('"')
    offset = int(re.findall(r"\d+", numbers)[1 if call == "pwrite64" else 0])
    return [Step("write", path.name, offset, unhex(text) if call == "pwrite64" else None)]


def apply(disk: Disk, step: Step, *, lying: bool) -> None:
    """One step on a disk; a lying one says that it syncs, and does not."""
    if step.kind == "write":
        disk.write(step.name, step.offset, step.data)
    elif step.kind == "sync" and not lying:
        disk.sync(step.name)
    elif step.kind == "folder":
        disk.sync_folder()
    elif step.kind == "unlink":
        disk.unlinked.add(step.name)


def facts_of(folder: Path) -> Facts:
    """(item, call, attempt) -> state, as a plain reader sees them."""
    with sqlite3.connect(folder / "store.db") as db:
        try:
            rows = db.execute("SELECT seq, number, nth, state FROM attempts").fetchall()
        except sqlite3.OperationalError:
            return {}
    db.close()
    return {(seq, number, nth): state for seq, number, nth, state in rows}


def lost_in(folder: Path, durable: Facts, sent: Counter[str]) -> list[str]:
    """What an image no longer knows; it is opened and recovered as the next run would."""
    store = Store(folder / "store.db")
    try:
        row = batches.newest(store)[0]
        epoch, lock = batches.take_lease(store, row)
        batches.recover(store, batches.reload(store, row.batch), epoch, 0)
        lock.drop()
        row, sums = batches.reload(store, row.batch), reads.sums(store, row.batch)
        said = [f"totals {name} do not add up" for name in sums if getattr(row, name) != sums[name]]
    finally:
        store.close()
    now = facts_of(folder)
    said += [f"attempt {key} is lost" for key in durable if key not in now]
    said += [f"answer {key} is lost" for key, state in durable.items() if state == "answered" != now.get(key)]
    known = Counter(str(seq) for seq, _, _ in now)
    return said + [f"a request of item {item} left unknown" for item, times in sent.items() if known[item] < times]


def cut(steps: list[Step], images: int, seed: int, *, lying: bool) -> tuple[int, int]:
    """(images judged, images in which something was lost)."""
    chance = random.Random(seed)
    at = set(chance.sample(range(len(steps)), min(images, len(steps))))
    disk, durable, sent = Disk(), Facts(), Counter[str]()
    judged = losses = 0
    for n, step in enumerate(steps):
        apply(disk, step, lying=lying)
        sent[step.name] += step.kind == "sent"
        with tempfile.TemporaryDirectory(prefix="packmule-power-") as name:
            folder = Path(name)
            if step.kind == "sync" and step.name.endswith("-wal"):
                disk.image(folder, None)
                durable = facts_of(folder)
                shutil.rmtree(folder)
                folder.mkdir()
            if n not in at or not durable:
                continue
            disk.image(folder, chance)
            judged += 1
            try:
                lost = lost_in(folder, durable, +sent)
            except Exception as error:  # noqa: BLE001 - whatever opening it raises, the batch is gone
                lost = [f"{type(error).__name__}: {error}"]
            losses += bool(lost)
            if lost and not lying:
                print(f"  after step {n} ({step.kind} {step.name}): {'; '.join(lost[:3])}")
    return judged, losses


def command(url: str, work: Path) -> list[str]:
    """The run that is watched."""
    rows = "".join(f"{n},The parcel {n} came late and the box was torn.\n" for n in range(ITEMS))
    (work / "rows.csv").write_text(f"id,text\n{rows}")
    words = ["run", str(work / "rows.csv"), "--prompt", "Summarise in one line: {text}", "--model", "sim/small"]
    words += ["--base-url", f"{url}/v1", "--max-cost", CAP_USD, "--store", str(work / "store.db")]
    return [*packmule(), *words, "-o", str(work / "out"), "--progress", "quiet"]


def power(url: str, work: Path, images: int, seed: int) -> int:
    """Images of one run; how many promises were broken."""
    trace = work / "trace"
    watch = [
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        "1000000",
        "-e",
        f"trace={CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(trace),
    ]
    subprocess.run([*watch, *command(url, work)], check=True, capture_output=True)
    steps = steps_of(trace, work / "store.db")
    kinds = Counter(step.kind for step in steps)
    assert kinds["sent"] == ITEMS, kinds
    judged, losses = cut(steps, images, seed, lying=False)
    blind, seen = cut(steps, images, seed, lying=True)
    print(f"power cuts: {judged} images of {len(steps)} steps ({kinds['sync']} syncs): {losses} with a loss")
    print(f"  control, a disk that ignores syncs: {seen} of {blind} images with a loss")
    return losses + (seen == 0)


def refusals(url: str, place_: Path, folder: Path, faults: int, seed: int) -> int:
    """Syncs and writes that fail, each in a run of its own; how many promises were broken."""
    chance, tally, notes = random.Random(seed), Tally("one call", ITEMS), list[str]()
    for n in range(faults):
        work = folder / f"fault-{n}"
        work.mkdir()
        when = chance.randint(1, 60)
        inject = (
            f"fdatasync:error=EIO:when={when}" if n % 2 else f"pwrite64:error=ENOSPC:when={when * 4}..{when * 4 + 40}"
        )
        words, before = command(url, work), len(bill_of(place_))
        first = subprocess.run(
            ["strace", "-f", "-o", "/dev/null", "-e", "trace=none", "-e", f"inject={inject}", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if "Traceback" in first.stderr or "mistake of packmule" in first.stderr:
            notes.append(f"{inject}: exit {first.returncode}: {first.stderr[-200:]}")
        again = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
        if again.returncode:
            notes.append(f"after {inject} the same command exits {again.returncode}: {again.stderr[-200:]}")
            continue
        time.sleep(0.3)
        judge(tally, bill_of(place_)[before:], books(work / "store.db"), work)
    bad = tally.lost_answers + tally.settled_twice + tally.bill_above_books + tally.unequal_at_rest + tally.overshoots
    print(
        f"refusals of the disk: {faults} runs; lost answers {tally.lost_answers}, settled twice {tally.settled_twice},"
    )
    print(f"  bill above the books {tally.bill_above_books}, unequal at rest {tally.unequal_at_rest},")
    print(f"  badly ended {len(notes)}")
    for note in [*notes[:5], *tally.notes[:5]]:
        print(f"  note: {note}")
    return bad + len(notes)


def main() -> int:
    """Print both; non-zero when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not installed: apt-get install strace")
        return 2
    with tempfile.TemporaryDirectory(prefix="packmule-power-") as name:
        folder = Path(name)
        sim, url = start_sim(folder, options.seed)
        try:
            work = folder / "work"
            work.mkdir()
            broken = power(url, work, options.images, options.seed)
            broken += refusals(url, folder, folder, options.faults, options.seed)
        finally:
            sim.terminate()
            sim.wait()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

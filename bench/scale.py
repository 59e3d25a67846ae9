"""Does a big batch cost more an item than a small one? 10,000 / 100,000 / 1,000,000 items, stub transport.

Each size runs in a process of its own: ingest from a real CSV, every item through the whole engine into a real store,
results exported. CPU an item is given as measured and in yardsticks: a fixed piece of work done beside it every few
hundred calls, so that a machine that is slower in one minute than in the next does not pass for growth. The ratio is
that of yardsticks. Then a batch is stopped half way and resumed, to see how long its first call takes.

    python bench/scale.py [--sizes 10000,100000,1000000] [--short]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from packmule.checks import check_text
from packmule.core.batch import Limits, Plan, SourceMark, Spec
from packmule.core.calls import Answer, Bounds, Fault, RateHint, Received, Request, Usage
from packmule.core.endings import Ending
from packmule.core.money import flat, usd
from packmule.engine.clock import RealClock
from packmule.engine.runner import Runner
from packmule.engine.world import World
from packmule.exports import ResultRecord, write_records
from packmule.recipes.prompt import prompt_recipe
from packmule.sources.opening import open_source
from packmule.sources.template import Template
from packmule.store import BatchJournal, Store, batches, reads

PROMPT = "Summarise in one line: {text}"
WORDS = "the parcel came late and the box was torn but the lamp works and looks good on my desk".split()
WIDTH = 64
YARD_EVERY = 500
SMALL = 10_000  # sizes so small are run five times, and the median taken
ANSWER = Answer("A torn box, a working lamp.", "stop", Usage(40, 12), "stub")


class StubEndpoint:
    """Answers at once; remembers when it was first asked."""

    model = "sim/stub"
    price = flat(250_000, 2_000_000, "stub")
    growth_per_min = None
    place = ""

    def __init__(self) -> None:
        self.first_s: float | None = None
        self.calls = 0
        self.stop_after: int | None = None
        self.stop: Any = None
        self.yards: list[float] = []

    def encode(self, request: Request, blobs: Any) -> bytes:
        del blobs
        return request.messages[0].text.encode()

    def bounds(self, request: Request, body: bytes) -> Bounds:
        del request
        return Bounds(len(body) + 64, 4096)

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        del body, timeout_s
        self.calls += 1
        if self.calls % YARD_EVERY == 0:
            self.yards.append(yardstick())
        if self.first_s is None:
            self.first_s = time.perf_counter()
        if self.calls == self.stop_after:
            self.stop()
        return Received(200, {}, b"")

    def decode(self, received: Received) -> Answer | Fault:
        del received
        return ANSWER

    def hint(self, received: Received) -> RateHint | None:
        del received

    def jobs(self) -> None:
        pass


def yardstick() -> float:
    """CPU seconds of a fixed piece of work: objects, a dictionary, a sort, JSON."""
    start = time.thread_time()
    made = {f"k{n % 97}": {"n": n, "text": PROMPT, "more": [n, n + 1]} for n in range(600)}
    json.loads(json.dumps(sorted(made.items())))
    return time.thread_time() - start


def make_csv(path: Path, rows: int) -> None:
    """Rows of some eighty characters, seeded."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,rating,text\n")
        for n in range(rows):
            file.write(f"r{n},{n % 5 + 1},{' '.join(chance.choices(WORDS, k=12))}\n")


def ingest(store: Store, csv: Path) -> int:
    """A batch with all rows in."""
    source = open_source(csv, spool_dir=store.folder)
    mark = SourceMark(str(csv), source.fingerprint().sha256_hex, csv.stat().st_size)
    plan = Plan(Spec(recipe="prompt", prompt=PROMPT, models=("sim/stub",)), mark, Limits(concurrency=WIDTH))
    row = batches.create(store, "batch-scale", plan, "bench", 0)
    page = []
    seq = 0
    for item in source.items():
        page.append((item.key or "", item))
        if len(page) == 2000:
            seq = batches.add_items(store, row.batch, seq, page)
            page = []
    if page:
        batches.add_items(store, row.batch, seq, page)
    batches.ingested(store, row, mark, {"columns": list(source.columns)})
    return row.batch


async def drive(store: Store, batch: int, endpoint: StubEndpoint) -> Ending:
    """One session."""
    row = batches.reload(store, batch)
    epoch, lock = batches.take_lease(store, row)
    batches.recover(store, row, epoch, 0)
    world = World(
        clock=RealClock(),
        endpoint=lambda _: endpoint,
        schema=lambda schema: schema,
        check_text=check_text,
        blobs=store.blobs,
        rng=random.Random(0),
        seeded=random.Random,
        recipe=prompt_recipe(Template(PROMPT, ["id", "rating", "text"]).render, None, 2),
        spec=row.spec,
        batch_id=row.id,
        limits=row.limits,
    )
    runner = Runner(BatchJournal(store, batch), batches.reload(store, batch), epoch, world)
    endpoint.stop = lambda: runner.stop(Ending("stopped", "person"))
    try:
        return await runner.run()
    finally:
        lock.drop()


def export(store: Store, batch: int, path: Path) -> int:
    """All results as JSON lines."""
    rows = (
        ResultRecord(
            r.seq,
            r.key,
            r.state,
            r.output,
            r.reason or "",
            usd(r.cost),
            r.tokens_in,
            r.tokens_out,
            r.attempts,
            r.latency_ms / 1000,
            r.model or "",
        )
        for r in reads.results(store, batch)
    )
    return write_records(path, rows)


def rss_mb() -> float:
    """Peak of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_size(csv: Path, folder: Path) -> dict[str, float]:
    """Ingest, run, export; figures of one process."""
    store = Store(folder / "store.db")
    start = time.perf_counter()
    batch = ingest(store, csv)
    ingested, cpu_ingest = time.perf_counter(), time.process_time()
    endpoint = StubEndpoint()
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(drive(store, batch, endpoint))
    ran, cpu_ran = time.perf_counter(), time.process_time()
    rss = rss_mb()
    items = batches.reload(store, batch).completed
    exported = export(store, batch, folder / "results.jsonl")
    done = time.perf_counter()
    assert items == exported == endpoint.calls, (items, exported, endpoint.calls)
    return {
        "items": items,
        "ingest_s": ingested - start,
        "items_per_s": items / (ran - ingested),
        "cpu_us": (cpu := cpu_ran - cpu_ingest - sum(endpoint.yards)) / items * 1e6,
        "yards": cpu / items / statistics.fmean(endpoint.yards),
        "rss_mb": rss,
        "export_per_s": items / (done - ran),
    }


def half(csv: Path, folder: Path, items: int) -> dict[str, float]:
    """Run half of it."""
    store = Store(folder / "store.db")
    batch = ingest(store, csv)
    endpoint = StubEndpoint()
    endpoint.stop_after = items // 2
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(drive(store, batch, endpoint))
    return {"done": batches.reload(store, batch).completed}


def resumed(csv: Path, folder: Path, began_s: float) -> dict[str, float]:
    """From the start of the process, the same command's work, to the first call."""
    store = Store(folder / "store.db")
    source = open_source(csv, spool_dir=store.folder)
    row = batches.get(store, "batch-scale")
    assert source.fingerprint().sha256_hex == row.source.sha256
    endpoint = StubEndpoint()
    endpoint.stop_after = 1
    loop_start, wall = time.perf_counter(), time.time()
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(drive(store, row.batch, endpoint))
    assert endpoint.first_s is not None
    return {"first_call_s": wall - began_s + endpoint.first_s - loop_start, "rss_mb": rss_mb()}


def child(kind: str, *args: str) -> dict[str, float]:
    """Run one part in its own process."""
    out = subprocess.run(
        [sys.executable, __file__, "--child", kind, *args], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, float] = json.loads(out)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--child", nargs="+")
    options = parser.parse_args()
    if options.child:
        kind, *rest = options.child
        csv, folder = Path(rest[0]), Path(rest[1])
        if kind == "size":
            print(json.dumps(one_size(csv, folder)))
        elif kind == "half":
            print(json.dumps(half(csv, folder, int(rest[2]))))
        else:
            print(json.dumps(resumed(csv, folder, float(rest[2]))))
        return
    sizes = [2000, 20000] if options.short else [int(size) for size in options.sizes.split(",")]
    report(sizes)


def report(sizes: list[int]) -> None:
    """Every size, then the resume of the largest."""
    print(f"{'items':>9} {'ingest s':>9} {'items/s':>9} {'CPU us/item':>12} {'yards':>7} {'RSS MB':>7} {'export/s':>9}")
    first = last = 0.0
    with tempfile.TemporaryDirectory(prefix="packmule-scale-") as name:
        for size in sizes:
            folder = Path(name) / str(size)
            folder.mkdir()
            csv = folder / "rows.csv"
            make_csv(csv, size)
            runs = []
            for again in range(5 if size <= SMALL else 1):
                (folder / str(again)).mkdir()
                runs.append(child("size", str(csv), str(folder / str(again))))
            r = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            first, last = first or r["yards"], r["yards"]
            print(
                f"{size:>9,} {r['ingest_s']:>9.1f} {r['items_per_s']:>9,.0f} {r['cpu_us']:>12.0f} {r['yards']:>7.4f} "
                f"{r['rss_mb']:>7.0f} {r['export_per_s']:>9,.0f}",
                flush=True,
            )
        print(f"CPU an item in yardsticks, largest over smallest: {last / first:.2f}")
        folder = Path(name) / "half"
        folder.mkdir()
        done = child("half", str(csv), str(folder), str(sizes[-1]))["done"]
        r = child("resumed", str(csv), str(folder), repr(time.time()))
        print(
            f"resumed with {done:,.0f} of {sizes[-1]:,} done: first call {r['first_call_s']:.2f} s after start, "
            f"RSS {r['rss_mb']:.0f} MB"
        )


if __name__ == "__main__":
    main()

"""How much of the bare transport's speed is left when every call is durable, and how the openai client compares.

Whole engine (store with fsync, ledger, tap, one prompt an item) / bare transport loop / openai client under a
semaphore: against the same trivial local server, alternating, median of five, each in its own process.

    python bench/throughput.py [--rounds 5] [--short]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

SETTINGS = {
    "64 lanes, no latency": (64, 0.0, {"engine": 15_000, "bare": 15_000, "openai": 1_200}),
    "1,000 lanes, 200 ms": (1_000, 0.2, {"engine": 40_000, "bare": 40_000, "openai": 2_000}),
}
TEXT = "the parcel came late and the box was torn but the lamp works: item {}"


async def engine(port: int, lanes: int, items: int) -> None:
    """The same order as `packmule run rows.csv --prompt ...`, up to the end of the run."""
    from packmule.compose import Desk, begin, prepare
    from packmule.config import Order
    from packmule.core.batch import Limits

    with tempfile.TemporaryDirectory(prefix="packmule-throughput-") as name:
        folder = Path(name)
        csv = folder / "rows.csv"
        csv.write_text("id,text\n" + "".join(f"{n},{TEXT.format(n)}\n" for n in range(items)))
        order = Order(
            items=str(csv),
            prompt="Summarise in one line: {text}",
            models=("openai/gpt-5-mini",),
            base_url=f"http://127.0.0.1:{port}/v1",
            limits=Limits(concurrency=lanes, max_cost=10**15),
            out_dir=folder / "out",
        )
        desk = Desk(folder / "store.db", {"OPENAI_API_KEY": "bench"})
        session = begin(prepare(order, desk.store, desk.env), desk.store, "bench")
        wall, cpu = time.perf_counter(), time.process_time()
        ending = await session.drive()
        report(items, wall, cpu)
        assert ending.reason == "done", ending
        assert session.row.completed == items


async def bare(port: int, lanes: int, items: int) -> None:
    """The transport alone: no store, no ledger, no decoding."""
    from packmule.core.calls import Received, WireRequest
    from packmule.providers.transport import HttpTransport

    transport = HttpTransport()
    numbers = iter(range(items))

    async def lane() -> None:
        for n in numbers:
            content = f"Summarise in one line: {TEXT.format(n)}"
            body = json.dumps({"model": "gpt-5-mini", "messages": [{"role": "user", "content": content}]}).encode()
            headers = {"content-type": "application/json", "authorization": "Bearer bench"}
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            got = await transport.send(WireRequest("POST", url, headers, body), 60.0)
            assert isinstance(got, Received), got

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    report(items, wall, cpu)
    await transport.close()


async def openai(port: int, lanes: int, items: int) -> None:
    """What most people write: the official client, a semaphore, gather."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="bench", max_retries=0, timeout=600)
    slots = asyncio.Semaphore(lanes)

    async def one(n: int) -> None:
        async with slots:
            content = f"Summarise in one line: {TEXT.format(n)}"
            await client.chat.completions.create(
                model="gpt-5-mini", messages=[{"role": "user", "content": content}], max_completion_tokens=4096
            )

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(n) for n in range(items)))
    report(items, wall, cpu)
    await client.close()


def report(items: int, wall: float, cpu: float) -> None:
    """One line for the parent."""
    spent = time.perf_counter() - wall
    print(json.dumps({"per_s": items / spent, "cpu_us": (time.process_time() - cpu) / items * 1e6}))


def child(kind: str, port: int, lanes: int, items: int) -> dict[str, float]:
    """One measurement in its own process."""
    command = [sys.executable, __file__, "--child", kind, str(port), str(lanes), str(items)]
    env = {**os.environ, "OPENAI_API_KEY": "bench"}
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    found: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return found


def compare(name: str, rounds: int, shrink: int) -> None:
    """One setting: alternate the three, print medians and paired ratios."""
    lanes, latency_s, counts = SETTINGS[name]
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("trivial_server.py")), str(latency_s)], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in counts}
    try:
        for _ in range(rounds):
            for kind, items in counts.items():
                runs[kind].append(child(kind, port, lanes, max(200, items // shrink)))
    finally:
        server.kill()
        server.wait()
    print(f"\n{name} (median of {rounds})")
    print(f"  {'':8} {'items/s':>9} {'CPU us/item':>12} {'of bare':>8}")
    bare_rates = [run["per_s"] for run in runs["bare"]]
    for kind, found in runs.items():
        ratio = statistics.median(run["per_s"] / rate for run, rate in zip(found, bare_rates, strict=True))
        rate, cpu = (statistics.median(run[key] for run in found) for key in ("per_s", "cpu_us"))
        print(f"  {kind:8} {rate:>9,.0f} {cpu:>12.0f} {ratio:>8.3f}")
    pairs = zip(runs["engine"], runs["openai"], strict=True)
    print(f"  engine / openai client: {statistics.median(e['per_s'] / o['per_s'] for e, o in pairs):.1f} times")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        kind, port, lanes, items = options.child
        parts = {"engine": engine, "bare": bare, "openai": openai}
        uvloop.run(parts[kind](int(port), int(lanes), int(items)))
        return
    for name in SETTINGS:
        compare(name, 1 if options.short else options.rounds, 10 if options.short else 1)


if __name__ == "__main__":
    main()

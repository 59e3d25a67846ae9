"""Kill the real command again and again, and let the provider's own bill judge the books.

The real CLI against the HTTP sim, recipes of one and of three calls, SIGKILL at random moments, the same command
again, to the end. Judged: lost answers, items settled twice, calls billed twice against calls in flight at the
kills, bill against books, overshoot of the cap.

    python bench/crash.py [--kills 200] [--short] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICO = 10**12
CAP_USD = "2.00"
WIDTH = 16
SCENARIO = """
seed = {seed}
[latency]
median_s = 0.05
sigma = 0.6
"""


@dataclass
class Tally:
    """What all kills of one recipe came to."""

    recipe: str
    items: int
    kills: int = 0
    sessions: int = 0
    batches: int = 0
    in_flight_at_kills: int = 0
    lost_answers: int = 0
    settled_twice: int = 0
    billed_twice: int = 0
    overshoots: int = 0
    bill_above_books: int = 0
    unequal_at_rest: int = 0
    notes: list[str] = field(default_factory=list)


def start_sim(folder: Path, seed: int) -> tuple[subprocess.Popen[bytes], str]:
    """The provider, in its own process, with its own bill."""
    scenario = folder / "scenario.toml"
    scenario.write_text(SCENARIO.format(seed=seed))
    command = [*packmule(), "sim", "serve", "--port", "0", "--scenario", str(scenario), "--bill", str(folder / "bill")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    return process, process.stdout.readline().decode().strip()


def packmule() -> list[str]:
    """The command, as this interpreter has it."""
    return [sys.executable, "-m", "packmule"]


def bill_of(folder: Path) -> list[dict[str, object]]:
    """The provider's lines; one cut by nothing, since the provider is not killed."""
    path = folder / "bill"
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def books(store: Path) -> dict[str, int]:
    """Our totals, and what the rows behind them say."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        row = db.execute("SELECT settled, unknown, held, completed, total FROM totals").fetchone()
        held = db.execute("SELECT count(*) FROM attempts WHERE state = 'held'").fetchone()[0]
        answered = db.execute("SELECT count(*) FROM attempts WHERE state = 'answered'").fetchone()[0]
        accepted = db.execute("SELECT count(*) FROM calls WHERE ended = 'accepted'").fetchone()[0]
        twice = db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE state = 'answered'"
            " GROUP BY batch, seq, number HAVING count(*) > 1)"
        ).fetchone()[0]
        unknown = db.execute("SELECT count(*) FROM attempts WHERE state = 'unknown'").fetchone()[0]
    names = ("settled", "unknown_pico", "held_pico", "completed", "total")
    found = dict(zip(names, row, strict=True))
    return found | {
        "held": held,
        "answered": answered,
        "accepted": accepted,
        "answered_twice": twice,
        "unknown": unknown,
    }


def one_batch(tally: Tally, url: str, folder: Path, work: Path, chance: random.Random, kills_left: int) -> int:
    """One batch, killed until it is done or kills are used up, then run to its end. Returns kills."""
    rows = work / "rows.csv"
    tag = chance.getrandbits(40)
    rows.write_text(
        "id,text\n"
        + "".join(f"{n},The parcel {tag:x}-{n} came late and the box was torn.\n" for n in range(tally.items))
    )
    store = work / "store.db"
    asked = ["--recipe", f"{ROOT}/examples/recipes/three_calls.py:recipe"]
    if tally.recipe == "one call":
        asked = ["--prompt", "Summarise in one line: {text}"]
    command = [
        *packmule(),
        "run",
        str(rows),
        *asked,
        "--model",
        "sim/small",
        "--base-url",
        f"{url}/v1",
        "--max-cost",
        CAP_USD,
        "--concurrency",
        str(WIDTH),
        "--store",
        str(store),
        "-o",
        str(work / "out"),
        "--progress",
        "quiet",
    ]
    billed_before = len(bill_of(folder))
    kills = 0
    while True:
        tally.sessions += 1
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if kills < kills_left:
            try:
                process.wait(timeout=chance.uniform(0.25, 1.6))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                after_kill(tally, store)
                continue
        assert process.stderr is not None
        error = process.stderr.read().decode()
        if process.wait() != 0:
            tally.notes.append(f"exit {process.returncode}: {error[-300:]}")
        break
    tally.kills += kills
    tally.batches += 1
    time.sleep(0.5)  # what the sim still had on its way reaches its bill
    judge(tally, bill_of(folder)[billed_before:], books(store), work)
    return kills


def after_kill(tally: Tally, store: Path) -> None:
    """What was in flight at the kill is what is still held."""
    if store.exists():
        try:
            now = books(store)
        except (sqlite3.Error, TypeError):
            return
        tally.in_flight_at_kills += now["held"]
        if now["settled"] + now["unknown_pico"] + now["held_pico"] > float(CAP_USD) * PICO:
            tally.overshoots += 1


def judge(tally: Tally, bill: list[dict[str, object]], now: dict[str, int], work: Path) -> None:
    """The provider's bill against our books, when all is at rest."""
    results = [json.loads(line) for line in (work / "out" / "results.jsonl").read_text().splitlines()]
    done = [r for r in results if r["status"] == "completed"]
    tally.lost_answers += tally.items - len(done)
    tally.settled_twice += now["answered_twice"] + (len(results) - len({r["key"] for r in results}))
    requests = Counter(str(line["request"]) for line in bill)
    tally.billed_twice += sum(count - 1 for count in requests.values())
    billed = sum(int(str(line["cost_pico"])) for line in bill)
    owed = now["settled"] + now["unknown_pico"] + now["held_pico"]
    if billed > owed:
        tally.bill_above_books += 1
        tally.notes.append(f"billed {billed}, books {owed}")
    if now["unknown"] == 0 and billed != now["settled"]:
        tally.unequal_at_rest += 1
        tally.notes.append(f"nothing unknown, yet billed {billed} and settled {now['settled']}")
    if owed > float(CAP_USD) * PICO:
        tally.overshoots += 1


def series(recipe: str, items: int, kills: int, seed: int) -> Tally:
    """Batches of one recipe until there were enough kills."""
    tally, chance = Tally(recipe, items), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="packmule-crash-") as name:
        folder = Path(name)
        sim, url = start_sim(folder, seed)
        try:
            while tally.kills < kills:
                work = folder / f"batch-{tally.batches}"
                work.mkdir()
                one_batch(tally, url, folder, work, chance, min(8, kills - tally.kills))
        finally:
            sim.terminate()
            sim.wait()
    return tally


def main() -> int:
    """Print the table; non-zero when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(ROOT / "src"))
    kills = 8 if options.short else options.kills
    tallies = [
        series("one call", 240, kills // 2, options.seed),
        series("three calls", 100, kills // 2, options.seed + 1),
    ]
    broken = 0
    for tally in tallies:
        broken += report(tally)
    return 1 if broken else 0


def report(tally: Tally) -> int:
    """One recipe's lines; how many promises were broken."""
    print(f"\n{tally.recipe}: {tally.kills} kills, {tally.sessions} sessions, {tally.batches} batches of {tally.items}")
    print(f"  lost answers                    {tally.lost_answers}")
    print(f"  items or calls settled twice    {tally.settled_twice}")
    print(
        f"  calls billed twice              {tally.billed_twice}  (in flight at the kills: {tally.in_flight_at_kills})"
    )
    print(f"  bill above settled+unknown+held {tally.bill_above_books}")
    print(f"  bill unequal with none unknown  {tally.unequal_at_rest}")
    print(f"  cap overshot                    {tally.overshoots}")
    for note in tally.notes[:5]:
        print(f"  note: {note}")
    promises = (
        tally.lost_answers,
        tally.settled_twice,
        tally.bill_above_books,
        tally.unequal_at_rest,
        tally.overshoots,
    )
    return sum(promises) + (tally.billed_twice > tally.in_flight_at_kills)


if __name__ == "__main__":
    sys.exit(main())

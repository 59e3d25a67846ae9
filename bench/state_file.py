"""What the state file of a BatchManager costs: its share of the time of a run, and how old it ever gets.

The embedded provider answers a job in two seconds, so that no run of a real one could be quicker. The bars: a tenth of
the time, and never much over a second old while items end.

    python bench/state_file.py [--items 5000]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from packmule import BatchManager
from packmule.compose.sliced import SAVE_S, Sliced

BAR = 0.1
SLACK_S = 1.0
TEXT = "Say the number {n}, and nothing of the rest: " + "every conversation has some words to carry. " * 8


class Watched:
    """Notes when each save began and ended."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self._save = Sliced.save

    def __call__(self, sliced: Sliced) -> None:
        began = time.perf_counter()
        self._save(sliced)
        self.spans.append((began, time.perf_counter()))


def main() -> int:
    """Print the share and the greatest age; non-zero above the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    items = parser.parse_args().items
    os.chdir(tempfile.mkdtemp())
    Path("slow.toml").write_text("[jobs]\nduration_s = 2\n")
    watched = Watched()

    def save(sliced: Sliced) -> None:
        watched(sliced)

    Sliced.save = save
    messages = [[{"role": "user", "content": TEXT.format(n=n)}] for n in range(items)]
    manager = BatchManager(messages, model="sim/small", state_path="state.json", sim_scenario="slow.toml")
    watched.spans.clear()
    began = time.perf_counter()
    done = manager.run()["completed_items"]
    took = time.perf_counter() - began
    share = sum(end - start for start, end in watched.spans) / took
    gaps = [later[0] - earlier[1] for earlier, later in zip(watched.spans, watched.spans[1:], strict=False)]
    size = Path("state.json").stat().st_size / 1e6
    print(f"{done:,} items in {took:.1f} s, {len(watched.spans)} saves of {size:.1f} MB")
    print(f"share of the time {share:.1%}, greatest age {max(gaps):.2f} s")
    return 0 if done == items and share < BAR and max(gaps) < SAVE_S + SLACK_S else 1


if __name__ == "__main__":
    sys.exit(main())

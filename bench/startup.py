"""What starting up costs: `packmule --help` and `--version` beside `import typer`, in pairs of the same run.

Medians of paired runs, so that a busy machine is busy for both. The bar is three times the import of Typer alone.

    python bench/startup.py [--pairs 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BAR = 3.0
CASES = {"--version": ["-m", "packmule", "--version"], "--help": ["-m", "packmule", "--help"]}
TYPER = ["-c", "import typer"]


def seconds(words: list[str]) -> float:
    """One process from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Print medians and ratios; non-zero above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    for words in (TYPER, *CASES.values()):
        seconds(words)  # what is compiled once is compiled now
    missed = 0
    print(f"{'command':<12}{'median ms':>11}{'import typer ms':>17}{'ratio':>8}")
    for name, words in CASES.items():
        found = [(seconds(TYPER), seconds(words)) for _ in range(pairs)]
        typer_s, ours_s = (statistics.median(times) for times in zip(*found, strict=True))
        ratio = statistics.median(ours / typer for typer, ours in found)
        missed += ratio > BAR
        print(f"{name:<12}{1000 * ours_s:>11.0f}{1000 * typer_s:>17.0f}{ratio:>8.2f}{'  MISSED' * (ratio > BAR)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

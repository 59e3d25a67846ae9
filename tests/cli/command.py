"""Runs the real command in a folder of its own, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
PROMPT = "Summarise in one line: {text}"
MODEL = ("--model", "sim/small")
CLEAN = {
    **{
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL"))
        and not name.startswith("PACKMULE_")
        # A test runner says so of its own screen.
        and name not in {"COLUMNS", "LINES"}
    },
    "XDG_CONFIG_HOME": "/nonexistent",
}


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


def packmule(folder: Path, *words: str, stdin: str = "", env: dict[str, str] | None = None) -> Said:
    """Run and wait."""
    done = subprocess.run(
        [sys.executable, "-m", "packmule", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env={**CLEAN, **(env or {})},
        timeout=100,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def start(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Run without waiting."""
    return subprocess.Popen(
        [sys.executable, "-m", "packmule", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**CLEAN, **(env or {})},
    )


def results(folder: Path) -> list[dict[str, Any]]:
    """Records of results.jsonl."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def rows(folder: Path, count: int, name: str = "rows.csv") -> Path:
    """A CSV of `count` rows with id and text."""
    path = folder / name
    path.write_text(
        "id,text\n" + "".join(f"a{n},The lamp number {n} is bright and the box was torn.\n" for n in range(count))
    )
    return path


def slow(folder: Path, median_s: float = 0.2) -> tuple[str, str]:
    """Options for a sim that takes its time."""
    scenario = folder / "slow.toml"
    scenario.write_text(f"[latency]\nmedian_s = {median_s}\nsigma = 0.1\n")
    return "--sim-scenario", str(scenario)

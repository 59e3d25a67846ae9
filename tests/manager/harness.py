"""A sim served over HTTP by the real command, its record of jobs, and managers that talk to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packmule import BatchManager
from tests.cli.command import CLEAN

MODEL = "claude-3-haiku-20240307"


class Sim:
    """`packmule sim serve`, which can be ended and started again with another scenario; its jobs outlive it."""

    def __init__(self, folder: Path, scenario: str = "") -> None:
        self._folder = folder
        self._bill = folder / "bill.jsonl"
        self.start(scenario)

    def start(self, scenario: str, port: int = 0) -> None:
        path = self._folder / "scenario.toml"
        path.write_text(scenario)
        words = ("sim", "serve", "--port", str(port), "--scenario", str(path), "--bill", str(self._bill))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "packmule", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=CLEAN,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def again(self, scenario: str = "") -> None:
        """The same provider on another day, at the same address."""
        self.stop()
        self.start(scenario, int(self.url.rpartition(":")[2]))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()

    @property
    def env(self) -> dict[str, str]:
        return {"ANTHROPIC_BASE_URL": self.url}

    def jobs(self) -> list[dict[str, Any]]:
        """Every creation, in order."""
        path = self._bill.with_name("bill.jsonl.jobs")
        records = [json.loads(line) for line in path.read_text().splitlines()]
        return [record for record in records if record["type"] == "job"]

    def billed(self) -> list[dict[str, Any]]:
        """Every call it did; `job` names the job of a line, '' or None a call of its own."""
        return [json.loads(line) for line in self._bill.read_text().splitlines()]

    def check(self, jobs: int, calls: int) -> None:
        """So many jobs, so many calls, each in a job and none twice."""
        assert len(self.jobs()) == jobs
        billed = self.billed()
        assert len(billed) == calls
        assert all(line["job"] for line in billed)
        assert len({line["custom_id"] for line in billed}) == calls


@contextmanager
def sim(folder: Path, scenario: str = "") -> Iterator[Sim]:
    place = folder / "provider"
    place.mkdir()
    found = Sim(place, scenario)
    try:
        yield found
    finally:
        found.stop()


def talks(count: int, text: str = "Say the number {n} in a word.") -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text.format(n=n)}] for n in range(count)]


def manager(provider: Sim, folder: Path, messages: Any = None, **more: Any) -> BatchManager:
    """A manager with a state file in `folder`, in haste."""
    given = {"model": MODEL, "base_url": provider.url, "job_linger": 0.5, "state_path": folder / "state.json", **more}
    return BatchManager(messages=messages, **given)


def state_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return found


def items_of(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for job in state["jobs"] for item in job["items"]]


def script(folder: Path, provider: Sim, code: str) -> subprocess.Popen[str]:
    """A user's own script in a process of its own; `messages` and `BatchManager` are there."""
    head = f"""
from packmule import BatchManager
from tests.manager.harness import talks
options = dict(model={MODEL!r}, job_linger=0.5, state_path="state.json")
"""
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**CLEAN, **provider.env, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)},
    )


def until(true: Callable[[], Any], patience_s: float = 30) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)

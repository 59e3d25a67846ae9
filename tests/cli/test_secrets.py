"""No key in any file, message or process list, whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CLEAN, PROMPT, packmule, rows

CANARY = "sk-CANARY-5f3a9c-never-to-be-seen"
ON_A_BAD_DAY = """
seed = 5
[faults]
status_500 = 0.2
malformed = 0.1
cut = 0.1
[[outages]]
from_s = {begins}
to_s = 1e9
kind = "status_401"
"""


@pytest.mark.parametrize("begins", [0.0, 1e8], ids=["key-refused", "faults"])
def test_a_key_is_nowhere_but_in_the_header(tmp_path: Path, begins: float) -> None:
    work = tmp_path / "work"
    work.mkdir()
    rows(work, 12)
    scenario = tmp_path / "bad.toml"
    scenario.write_text(ON_A_BAD_DAY.format(begins=begins))
    sim = subprocess.Popen(
        [sys.executable, "-m", "packmule", "sim", "serve", "--port", "0", "--scenario", str(scenario)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=CLEAN,
        cwd=tmp_path,
    )
    assert sim.stdout is not None
    url = sim.stdout.readline().strip()
    env = {"OPENAI_API_KEY": CANARY, "TMPDIR": str(tmp_path)}
    words = (
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "openai/gpt-5-mini",
        "--base-url",
        f"{url}/v1",
        "--max-cost",
        "1",
        "--retry-delay",
        "0.01",
        "--retry-count",
        "1",
        "-o",
        "out",
    )
    said = packmule(work, *words, env=env)
    shown = packmule(work, "show", env=env)
    sim.terminate()
    sim.communicate()
    gone = packmule(work, *words, "--outage-limit", "1", "--timeout", "2", "--fresh", env=env)
    assert said.code in {0, 3, 6, 75}
    assert gone.code == 75
    for text in (said.out, said.err, shown.out, shown.err, gone.out, gone.err):
        assert CANARY not in text
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path

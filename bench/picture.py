"""A picture of the detailed view, from a real run: docs/detailed.svg.

A real batch over the demo's tickets with a slow and faulty provider; in the middle of it the Progress value that every
view shows is drawn by the same functions as in the terminal, and written as SVG. No font is fetched by who looks at it.

    python bench/picture.py [--out docs/detailed.svg]
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from packmule import compose
from packmule.cli.screen.detailed import detailed
from packmule.cli.screen.glyphs import UNICODE
from packmule.config import STORE

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "src" / "packmule" / "cli" / "demo"
WIDTH, ROOM = 100, 16
PROMPT = "Sum up this ticket in one sentence: {text}"
SCENARIO = """
seed = 7
manner = "hostile"
manner_probability = 0.35
[latency]
median_s = 1.5
sigma = 0.6
[faults]
status_503 = 0.12
[[fail]]
pattern = "burning smell"
status = 400
"""
DONE, PATIENCE_S = 22, 60.0


def command(folder: Path) -> list[str]:
    """The run to be drawn."""
    words = ["run", "tickets.csv", "--prompt", PROMPT, "--schema", str(DATA / "ticket.schema.json")]
    words += ["--model", "sim/large", "--max-output-tokens", "80", "--max-cost", "1.00", "--concurrency", "8"]
    words += ["--sim-scenario", "scenario.toml", "--progress", "none", "--store", str(folder / STORE)]
    return [sys.executable, "-m", "packmule", *words]


def drawn(folder: Path) -> list[Text]:
    """The lines of the picture, with so many items done and one waiting for its retry."""
    desk = compose.Desk(folder / STORE)
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        rows = desk.newest(1)
        if rows:
            progress = desk.progress(rows[0], room=ROOM)
            varied = {line.state for line in progress.lines} >= {"generating", "retrying", "failed", "completed"}
            if progress.done >= DONE and varied:
                return detailed(progress, WIDTH, ROOM, UNICODE)
        time.sleep(0.05)
    message = "the run never looked as it was to be drawn"
    raise SystemExit(message)


def svg_of(lines: list[Text]) -> str:
    """As Rich draws a terminal, in the fonts of whoever looks."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    svg = console.export_svg(title="packmule run tickets.csv", unique_id="packmule")
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.replace("Fira Code, ", "").splitlines()) + "\n"


def main() -> int:
    """Run, draw, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "detailed.svg")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory(prefix="packmule-picture-") as name:
        folder = Path(name)
        (folder / "tickets.csv").write_bytes((DATA / "tickets.csv").read_bytes())
        (folder / "scenario.toml").write_text(SCENARIO)
        with subprocess.Popen(command(folder), cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            try:
                lines = drawn(folder)
            finally:
                run.terminate()
    out.parent.mkdir(exist_ok=True)
    out.write_text(svg_of(lines), encoding="utf-8")
    print("\n".join(line.plain for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())

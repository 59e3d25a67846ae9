"""`--detach`: the same command in the background, in a session of its own, so that it outlives its terminal.

What a person must see and agree to has been shown here; the child runs with `--yes` and writes what it says to a log
beside the store. We return once its batch is on disk and runs, or say what it said if it ended before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from packmule.cli.say import say, tell
from packmule.errors import UsageError

if TYPE_CHECKING:
    from packmule.compose import Desk, Prepared
    from packmule.core.rows import BatchRow

PATIENCE_S = 60.0
STEP_S = 0.05


def begin_detached(desk: Desk, prepared: Prepared, *, as_json: bool) -> None:
    """Start the child and say which batch it runs. Raises UsageError when the input is a pipe."""
    if prepared.order.items == "-":
        message = "standard input cannot be read in the background"
        raise UsageError(message, hint="write it to a file first, or leave --detach out")
    folder = desk.path.parent / "logs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = (folder / f"detached-{os.getpid()}.log").resolve()
    words = [word for word in sys.argv[1:] if word not in {"--detach", "--json"}]
    command = [sys.executable, "-m", "packmule", *words, "--yes", "--progress", "log"]
    with log.open("wb") as file:
        child = subprocess.Popen(  # noqa: S603 - our own command, with the words that we were given
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, close_fds=True
        )
    row = _batch_of(desk, child, {row.id for row in desk.newest(50) if desk.alive(row)})
    if row is None:
        _say_end(child.wait(), log)
    assert row is not None
    say(f"{row.id} runs in the background (pid {child.pid}); what it says goes to {log}")
    say(f"packmule watch {row.id}, packmule wait {row.id}, packmule stop {row.id}")
    if as_json:
        from packmule.cli.machine import launch, records  # noqa: PLC0415 - only with --json

        records().write(launch(row, child.pid, desk.path, desk.utc_us(), log=str(log)))
    else:
        tell(row.id)


def _batch_of(desk: Desk, child: subprocess.Popen[bytes], before: set[str]) -> BatchRow | None:
    """The batch that the child runs, None when it has ended first."""
    for _ in range(int(PATIENCE_S / STEP_S)):
        for row in desk.newest(5):
            if row.id not in before and desk.runner_pid(row) == child.pid and row.ingested:
                return row
        if child.poll() is not None:
            return None
        time.sleep(STEP_S)
    message = f"the background process {child.pid} has not begun after {PATIENCE_S:.0f} s"
    raise UsageError(message, hint="packmule list shows whether it has by now")


def _say_end(code: int, log: Path) -> None:
    """It ended at once: its own words, and its code."""
    say(log.read_text(encoding="utf-8", errors="replace").rstrip())
    raise typer.Exit(code)

"""`--detach`: the same command in the background, in a session of its own, so that it outlives its terminal.

What a person must see and agree to has been shown here. The child has the words that were typed, and a variable by
which it knows itself: it asks nothing, and writes what it says to a log beside the store. We return once its batch is
on disk and runs, or say what it said if it ended before.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from packmule.cli.say import say, say_anyhow, say_last, tell
from packmule.errors import UsageError

if TYPE_CHECKING:
    from packmule.compose import Desk
    from packmule.core.rows import BatchRow

CHILD = "PACKMULE_DETACHED"
PATIENCE_S = 60.0
STEP_S = 0.05
LOOKED_AT = 50
REFUSED = (1, 2)
_BATCH = re.compile(r"\bbatch-\d{4}-\d\d-\d\d-[a-z0-9]{6}\b")


def in_background() -> bool:
    """Are we the child? Asked once: what we start is not."""
    return os.environ.pop(CHILD, None) is not None


def begin_detached(desk: Desk, source: str | None = None, *, as_json: bool) -> None:
    """Start the child and say which batch it runs. Raises UsageError when its source is a pipe."""
    if source == "-":
        message = "standard input cannot be read in the background"
        raise UsageError(message, hint="write it to a file first, or leave --detach out")
    folder = desk.path.parent / "logs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = (folder / f"detached-{os.getpid()}.log").resolve()
    before = {row.id for row in desk.newest(LOOKED_AT) if desk.alive(row)}
    with log.open("wb") as file:
        child = subprocess.Popen(  # noqa: S603 - our own command, with the words that we were given
            [sys.executable, "-m", "packmule", *sys.argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, CHILD: "1"},
            start_new_session=True,
        )
    row = _batch_of(desk, child, before)
    if row is None:
        _say_end(desk, child, log, as_json=as_json)
    assert row is not None
    say_last(f"{row.id} runs in the background (pid {child.pid}); what it says goes to {log}")
    for word in ("watch", "wait", "stop"):
        say(f"  packmule {word} {row.id}")
    _tell(desk, row, child.pid, log, as_json=as_json)


def _tell(desk: Desk, row: BatchRow, pid: int, log: Path, *, as_json: bool) -> None:
    if as_json:
        from packmule.cli.machine import launch, records  # noqa: PLC0415 - only with --json

        records().write(launch(row, pid, desk.path, desk.utc_us(), log=str(log)))
    else:
        tell(row.id)


def _batch_of(desk: Desk, child: subprocess.Popen[bytes], before: set[str]) -> BatchRow | None:
    """The batch that the child runs, None when it has ended first."""
    for _ in range(int(PATIENCE_S / STEP_S)):
        for row in desk.newest(LOOKED_AT):
            begun = row.ingested and row.state in {"running", "paused"} and row.id not in before
            if begun and desk.runner_pid(row) == child.pid:
                return row
        if child.poll() is not None:
            return None
        time.sleep(STEP_S)
    message = f"the background process {child.pid} has not begun after {PATIENCE_S:.0f} s"
    raise UsageError(message, hint="packmule list shows whether it has by now")


def _say_end(desk: Desk, child: subprocess.Popen[bytes], log: Path, *, as_json: bool) -> None:
    """It ended at once: its own words, its batch if it came so far, and its code."""
    said = log.read_text(encoding="utf-8", errors="replace").rstrip()
    say_anyhow(said)
    named = _BATCH.search(said)
    if named is not None and child.wait() not in REFUSED:
        _tell(desk, desk.find(named[0]), child.pid, log, as_json=as_json)
    raise typer.Exit(child.wait())

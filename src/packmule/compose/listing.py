"""Batches of a store and checkpoint files side by side, one line a batch; a file that cannot be read has a line too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from packmule.compose.checkpoint import read_checkpoint
from packmule.compose.desk import Desk
from packmule.core.rows import BatchRow
from packmule.engine.clock import RealClock
from packmule.errors import PackmuleError
from packmule.exports.checkpoint import Checkpoint, checkpoints_in
from packmule.store import carrying

FOLDERS = (Path(".packmule") / "checkpoints", Path(".persona") / "checkpoints")
OF_A_RUN = {"created", "running", "paused"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A batch or a checkpoint file. Cost in picodollars, `age_s` since it was made; `trouble`: why it is unreadable."""

    id: str
    file: Path | None
    status: str
    done: int = 0
    total: int = 0
    cost: int = 0
    age_s: float = 0.0
    trouble: str = ""


def listed(desk: Desk | None) -> tuple[int, list[Listed]]:
    """(now in microseconds UTC, every batch of the store, newest first, then the files of batches that it has not)."""
    now_us = RealClock().utc_us()
    files = _files(desk)
    found, damaged = [], []
    for path in files:
        try:
            found.append((path, read_checkpoint(path, force=True)))
        except PackmuleError as error:
            damaged.append(Listed("?", path, "damaged", trouble=error.message))
    rows = [] if desk is None else desk.newest(-1)
    places = {checkpoint.batch_id: path for path, checkpoint in reversed(found)}
    stored = {row.id for row in rows}
    lines = [] if desk is None else [_of_row(desk, row, places.get(row.id), now_us) for row in rows]
    lines += [_of_file(path, each, now_us) for path, each in found if each.batch_id not in stored]
    return now_us, lines + damaged


def _files(desk: Desk | None) -> list[Path]:
    """Files in the usual folders, here, and those that batches of this store named."""
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))] + checkpoints_in(Path())
    if desk is not None:
        paths += [Path(name) for _, name in carrying.noted_checkpoints(desk.store) if os.path.lexists(name)]
    return list({os.path.realpath(path): path for path in paths}.values())


def _of_row(desk: Desk, row: BatchRow, path: Path | None, now_us: int) -> Listed:
    total = row.total - row.skipped
    return Listed(row.id, path, desk.state(row), row.completed, total, row.settled, (now_us - row.created_at) / 1e6)


def _of_file(path: Path, checkpoint: Checkpoint, now_us: int) -> Listed:
    facts, counts = checkpoint.packmule, checkpoint.progress
    # No store here has it, so nobody here runs it.
    status = "interrupted" if facts.status in OF_A_RUN else facts.status
    age_s = now_us / 1e6 - checkpoint.created_at.timestamp()
    return Listed(checkpoint.batch_id, path, status, counts.completed, counts.total, int(facts.settled_pico), age_s)

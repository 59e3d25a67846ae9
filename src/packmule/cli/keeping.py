"""A checkpoint file beside a run: begun before the first call, and said at the end."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from packmule import compose
from packmule.cli.say import say, say_anyhow
from packmule.cli.settled import current
from packmule.core.rows import BatchRow
from packmule.errors import UsageError

if TYPE_CHECKING:
    from packmule.compose import Desk, Keeper, Session


def keeper_at(path: Path) -> Keeper:
    """A checkpoint there, as often as the settings say. Raises OutputError, UsageError."""
    return compose.Keeper(path, save_s=current().checkpoints.save_s)


def refuse_other(keeper: Keeper | None, desk: Desk) -> None:
    """Raise UsageError where the file is all that is left of another batch: its paid answers would be written over."""
    before = None if keeper is None else keeper.before
    if keeper is None or before is None or desk.knows(before.batch_id):
        return
    keeper.close()
    message = f"{keeper.shown} holds {before.batch_id}, which is in no store here: its answers would be written over"
    raise UsageError(message, hint=f"go on with it by packmule run --resume {keeper.shown}, or name another file")


def usual_keeper(session: Session) -> Keeper | None:
    """The checkpoint that every batch has where the settings name a folder for them."""
    directory = current().checkpoints.directory
    if directory is None:
        return None
    try:
        return keeper_at(directory / f"{session.row.id}.json")
    except BaseException:
        session.close()
        raise


def keeping(keeper: Keeper | None, desk: Desk, session: Session) -> AbstractContextManager[object]:
    """Keep the file while the block runs; nothing without one. Raises OutputError when it cannot be written."""
    if keeper is None:
        return nullcontext()
    old = keeper.before
    try:
        keeper.of(desk, session.row)
    except BaseException:
        session.close()
        raise
    if old is not None and old.batch_id != session.row.id and not keeper.resumed:
        say(f"Note: the checkpoint {keeper.shown} was of {old.batch_id}; it is of {session.row.id} now")
    return keeper


def say_kept(keeper: Keeper | None, row: BatchRow) -> None:
    """Where the checkpoint is, and how to go on from it."""
    if keeper is None:
        return
    if keeper.trouble:
        say_anyhow(f"The checkpoint {keeper.shown} is not up to date: {keeper.trouble}")
    elif row.pending:
        say(f"Or from its checkpoint: packmule run --resume {keeper.shown}")
    else:
        say(f"Its checkpoint: {keeper.shown}")

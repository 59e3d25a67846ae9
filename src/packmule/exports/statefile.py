"""The state file of a sliced batch: how every item stands, in one JSON file that is derived from the store.

Its keys are those of brief 4, always; what going on needs elsewhere stands below the one key `packmule`. The file is
replaced whole: whoever reads it sees one moment. Amounts are numbers of dollars here, because the brief has them so.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from packmule.core.batch import identity
from packmule.core.money import pico_from_usd
from packmule.errors import InvalidStateError, StateFileError
from packmule.exports.atomic import replacing
from packmule.exports.checkpoint import VERSION, BatchId, Facts

ItemStatus = Literal["pending", "processing", "succeeded", "failed"]
JobStatus = Literal["pending", "processing", "completed", "failed"]
JobT = TypeVar("JobT")
_HINT = "remove the file to begin afresh; what was paid for stays in the store: packmule list"


class StateItem(Struct, frozen=True):
    """One item. `content` is the conversation, a file's path, or `<bytes length=...>`; `cost` None: nothing so far."""

    original_index: int
    content: Any
    status: ItemStatus
    error: str | None
    cost: Annotated[float, Meta(ge=0, le=1_000_000)] | None
    completed_at: str | None


class StateJob(Struct, frozen=True):
    """Items in input order, as many as go into one job. `batch_id` is the provider's id of the last job they went in.

    `completed` and `failed` (none of its items succeeded) have nothing left to do, `processing` has items on their way.
    """

    index: int
    batch_id: str | None
    status: JobStatus
    items: list[StateItem]
    job_cost: float
    started_at: str | None
    completed_at: str | None


class Behind(Struct, frozen=True):
    """The batch in the store, and what another machine needs to go on without that store."""

    batch_id: BatchId
    facts: Facts


class State(Struct, Generic[JobT], frozen=True):
    """The file's content, in its order."""

    manager_id: str
    created_at: Annotated[datetime, Meta(tz=True)]
    model: str
    items_per_job: int
    max_cost: float | None
    save_results_dir: str | None
    batch_kwargs: dict[str, Any]
    jobs: list[JobT]
    total_cost: float
    last_updated: str
    packmule: Behind | None


def write_state(path: Path, state: State[msgspec.Raw]) -> None:
    """Replace the file. Raises OutputError."""
    with replacing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")


def read_state(path: Path) -> State[StateJob]:
    """The checked content. Raises InvalidStateError for what is no whole state file, StateFileError if unreadable."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State[StateJob])
    except OSError as error:
        message = f"the state file {path} cannot be read: {error.strerror or error}"
        raise StateFileError(message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the state file {path} is damaged, or no state file: {error}"
        raise InvalidStateError(message, hint=_HINT) from None
    if wrong := _wrong(state):
        message = f"the state file {path} {wrong}"
        raise InvalidStateError(message, hint=_HINT)
    return state


def _wrong(state: State[StateJob]) -> str:
    items = [item for job in state.jobs for item in job.items]
    if [item.original_index for item in items] != list(range(len(items))) or state.items_per_job < 1:
        return "is damaged: its items are not numbered in order"
    if state.packmule is None:
        return "is damaged: it names no batch" if items else ""
    facts = state.packmule.facts
    if facts.version != VERSION:
        return f"has the format {facts.version}, and this packmule reads {VERSION}"
    if identity(facts.spec, facts.source) != facts.identity:
        return "is damaged: its identity does not fit what it says of the batch"
    if sum(pico_from_usd(str(item.cost or 0)) for item in items) > int(facts.settled_pico):
        return "is damaged: what its items cost is more than the batch"
    return ""

"""What a state file means: the same batch as the arguments, or a refusal; and what it holds, for a store without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from packmule.compose.preparing import Prepared
from packmule.core.batch import changes
from packmule.core.money import pico_from_usd
from packmule.core.rows import SavedRow
from packmule.core.words import counted
from packmule.errors import StateFileError
from packmule.exports.checkpoint import Checkpoint, Config, Counts, Facts
from packmule.exports.slice_files import Processed, processed_path, read_processed
from packmule.exports.statefile import Behind, State, StateItem, StateJob

_SPELT = {"models": "model", "schema": "response_model", "max_output_tokens": "max_tokens", "recipe": "kind of answer"}
_NULL = msgspec.Raw(b"null")


def check_count(path: Path, state: State[StateJob], count: int) -> None:
    """Raise StateFileError for a file of more or fewer items."""
    there = sum(len(job.items) for job in state.jobs)
    if there != count:
        message = f"the state file {path} is of {counted(there, 'item')}, not of {count:,}"
        raise StateFileError(message, hint="give the same items, or another state_path")


def check_same(path: Path, state: State[StateJob], facts: Facts, prepared: Prepared) -> None:
    """Raise StateFileError for a file that is of another batch, or parted in another way."""
    for change in changes(facts.spec, prepared.spec):
        name = _SPELT.get(change.name, change.name)
        values = f" ({', '.join(facts.spec.models)})" if change.name == "models" else ""
        message = f"the state file {path} is of a batch with another {name}{values}"
        raise StateFileError(message, hint=f"give the same {name}, or another state_path")
    if facts.source.sha256 != prepared.mark.sha256:
        message = f"the state file {path} is of other items: their content is not the same"
        raise StateFileError(message, hint="give the same items in the same order, or another state_path")
    if (size := state.items_per_job) != prepared.order.limits.items_per_job:
        message = f"the state file {path} has items_per_job {size}, and its files are named by that"
        raise StateFileError(message, hint=f"give items_per_job={size}, or another state_path")


def ended_at(state: State[StateJob]) -> dict[int, str]:
    """When items had ended."""
    return {item.original_index: item.completed_at for job in state.jobs for item in job.items if item.completed_at}


def as_checkpoint(state: State[StateJob], behind: Behind, results: Iterable[SavedRow] = ()) -> Checkpoint:
    """The file as what going on elsewhere is made from."""
    items = [item.status for job in state.jobs for item in job.items]
    done, failed = items.count("succeeded"), items.count("failed")
    return Checkpoint(
        batch_id=behind.batch_id,
        created_at=state.created_at,
        paused_at=None,
        config=Config(behind.facts.source.name, len(items), None),
        progress=Counts(done, failed, len(items) - done - failed),
        completed_personas=(),
        failed_personas=(),
        cost_so_far=state.total_cost,
        packmule=msgspec.structs.replace(behind.facts, results=tuple(results)),
    )


def saved_rows(path: Path, state: State[StateJob], folder: Path | None, prepared: Prepared) -> Iterator[SavedRow]:
    """Ended items with the results in `folder`. Raises StateFileError where one of them is not there."""
    results = {} if folder is None else read_processed(folder)
    keys = [item.key or str(number) for number, item in enumerate(prepared.source.items(), 1)]
    for job in state.jobs:
        for at, item in enumerate(job.items):
            if item.status == "succeeded":
                held = results.get(job.index)
                if held is None or at >= len(held.results):
                    where = "save_results_dir" if folder is None else str(processed_path(folder, job.index))
                    message = (
                        f"{path}: its store is gone, and the result of item {item.original_index} is not in {where}"
                    )
                    hint = "copy the folder of results with the state file, or remove the file to begin afresh"
                    raise StateFileError(message, hint=hint)
                yield _row(item, keys, "completed", _output(held, at))
            elif item.status == "failed":
                yield _row(item, keys, "failed", _NULL)


def _output(held: Processed, at: int) -> msgspec.Raw:
    if held.unsupported is None:
        return held.results[at]
    cited = {"result": held.results[at], "citations": held.citations[at], "unsupported": held.unsupported[at]}
    return msgspec.Raw(msgspec.json.encode(cited))


def _row(item: StateItem, keys: list[str], state: Literal["completed", "failed"], output: msgspec.Raw) -> SavedRow:
    seq, cost = item.original_index, pico_from_usd(str(item.cost or 0))
    return SavedRow(seq, keys[seq], state, output, item.error, cost, 0, 0, 1, 0, None)

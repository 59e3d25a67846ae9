"""`batch()`: all items in one go, handed over in the background; `BatchJob` says what has become of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from packmule.compose import Given, Sliced
from packmule.manager.ordering import TEMPERATURE, check, items_of, order_of, refuse_unknown, store_of
from packmule.manager.outcome import result_of, stats_of


class BatchJob:
    """A started batch. It is followed in the background of this process; its jobs at the provider need no process.

    When the process ends before, `packmule resume` with its `id` fetches what is done.
    """

    def __init__(self, sliced: Sliced | None, model: Any, raw_dir: Path | None, *, cited: bool) -> None:  # noqa: ANN401
        self._sliced, self._model, self._raw_dir, self._cited = sliced, model, raw_dir, cited
        self.id = "empty_batch" if sliced is None else sliced.row.id
        self._driven = None if sliced is None else sliced.start()

    def is_complete(self) -> bool:
        """Has every item ended? Raises what ended the run before that."""
        if self._driven is None or self._sliced is None:
            return True
        if self._driven.running:
            return False
        if self._driven.error is not None:
            raise self._driven.error
        if not self._sliced.is_over():
            self._sliced.refuse_early_end(self._driven)
        return True

    def results(self) -> list[dict[str, Any]]:
        """`{"result", "citations"}` an item, in input order, None where it failed; empty while it is not complete."""
        if self._sliced is None or not self.is_complete():
            return []
        if self._raw_dir is not None:
            self._sliced.write_raw(self._raw_dir)
        found = result_of(self._sliced, self._model)
        pairs = zip(found, found.citations, strict=True)
        return [{"result": result, "citations": citations} for result, citations in pairs]

    def stats(self, print_stats: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - an option of a call
        """Counts, tokens, dollars, seconds; `status` in words."""
        told = stats_of(self._sliced)
        tokens = (0, 0) if self._sliced is None else self._sliced.tokens()
        found = {
            "batch_id": self.id,
            "is_complete": self.is_complete(),
            "status": told.get("state", "completed"),
            "citations_enabled": self._cited,
            "request_count": told["total_items"],
            "total_results": told["completed_items"],
            "failed_results": told["failed_items"],
            "total_input_tokens": tokens[0],
            "total_output_tokens": tokens[1],
            "total_cost": told["total_cost"],
            "elapsed_time": told["elapsed_s"],
        }
        if print_stats:
            for name, value in found.items():
                print(f"{name}: {value}")  # noqa: T201 - asked for
        return found


def batch(
    model: str,
    messages: Any = None,  # noqa: ANN401 - as of BatchManager
    files: Any = None,  # noqa: ANN401 - as of BatchManager
    prompt: str | None = None,
    response_model: Any = None,  # noqa: ANN401 - as of BatchManager
    enable_citations: bool = False,  # noqa: FBT001, FBT002 - brief 4 has it so
    max_tokens: int | None = None,
    temperature: float = TEMPERATURE,
    raw_results_dir: str | Path | None = None,
    **options: Any,  # noqa: ANN401 - those of BatchManager
) -> BatchJob:
    """Hand all items over to the provider's batch API and return at once.

    Arguments as of `BatchManager`; `raw_results_dir` gets what the provider wrote, one file an item. Also `max_cost`.
    Raises BatchManagerError and PreflightError before anything is sent.
    """
    check(messages, files, prompt, model, response_model, enable_citations)
    max_cost = options.pop("max_cost", None)
    refuse_unknown(options)
    asked = {**options, "max_tokens": max_tokens, "temperature": temperature}
    store = store_of(asked, None)
    items = items_of(messages, files, store)
    raw_dir = None if raw_results_dir is None else Path(raw_results_dir)
    if not items.rows:
        return BatchJob(None, response_model, raw_dir, cited=enable_citations)
    limits = {"items_per_job": len(items.rows), "max_cost": max_cost}
    shape = {"cited": enable_citations, "keep_raw": raw_dir is not None}
    order = order_of(items, prompt, model, response_model, limits, asked, store, **shape)
    sliced = Sliced(order, os.environ, store, Given(items.contents, model, {}, None, None, None))
    return BatchJob(sliced, response_model, raw_dir, cited=enable_citations)

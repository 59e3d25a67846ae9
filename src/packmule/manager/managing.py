"""`BatchManager`: a large input in slices, one provider job each, behind a state file; a thin face over the engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from packmule.compose import Given, Sliced, empty_state
from packmule.config import dollars
from packmule.errors import BatchManagerError, UsageError
from packmule.manager.ordering import check, items_of, order_of, refuse_unknown, store_of
from packmule.manager.outcome import RunResult, load_results, result_of, stats_of
from packmule.manager.printing import Printer

_NOTHING = "Nothing to retry: no item has failed."


class BatchManager:
    """Many conversations, or files with a prompt, through the provider's batch API in jobs of `items_per_job`.

    messages: a list of conversations, each a text or a list of {"role", "content"}; or
    files: a list of paths or bytes (PDF, images, text) with one `prompt` for all.
    model: a name like "claude-3-haiku-20240307", "gpt-5-mini", "gemini/…", "sim/small".
    max_cost: dollars; never overshot, because what is on its way is held back from it. None: no limit, or the one that
        the state file has.
    state_path: a JSON file with the state of every item, made at once, and the handle of the batch: a manager with the
        same arguments and an existing file goes on where that one stopped. Without it every manager begins afresh.
    save_results_dir: raw/job_0_item_0.json (what the provider wrote) and processed/job_0_results.json, as jobs end.
    response_model: a pydantic model (or a JSON Schema); an answer that does not fit fails its item.
    enable_citations: with files and a response_model: where in the document each value stands.
    batch_kwargs: max_tokens, temperature (0.0), system, base_url, price_in, price_out, free, retry_count, store …

    The truth is the store: `.packmule/store.db` in the folder of state_path, or in the current folder without one
    (`store=` and PACKMULE_STORE name another); `packmule list` shows the batch there. Nothing is asked of anybody: with
    max_cost=None it spends what it takes.

    Raises BatchManagerError for arguments that do not fit together, StateFileError for a state file of another batch or
    in use, InvalidStateError for a damaged one; PreflightError for a missing key or price; all before any work.
    """

    def __init__(
        self,
        messages: Any = None,  # noqa: ANN401 - see above
        files: Any = None,  # noqa: ANN401 - see above
        prompt: str | None = None,
        model: str | None = None,
        items_per_job: int = 100,
        max_parallel_jobs: int = 5,
        max_cost: float | str | None = None,
        state_path: str | Path | None = None,
        save_results_dir: str | Path | None = None,
        response_model: Any = None,  # noqa: ANN401 - whatever a schema may be
        enable_citations: bool = False,  # noqa: FBT001, FBT002 - brief 4 has it so
        **batch_kwargs: Any,  # noqa: ANN401 - see above
    ) -> None:
        check(messages, files, prompt, model, response_model, enable_citations)
        refuse_unknown(batch_kwargs)
        _check_positive(max_cost)
        path = _path("state_path", state_path)
        store = store_of(batch_kwargs, path)
        items = items_of(messages, files, store)
        self._model = response_model
        said = {"prompt": prompt, "response_model": _name(response_model), "enable_citations": enable_citations}
        kwargs = {name: value for name, value in {**said, **batch_kwargs}.items() if value not in (None, False)}
        shown = None if save_results_dir is None else str(save_results_dir)
        given = Given(
            contents=items.contents,
            model=str(model),
            batch_kwargs={name: _plain(value) for name, value in kwargs.items()},
            state_path=path,
            results_dir=_path("save_results_dir", save_results_dir),
            shown_dir=shown,
        )
        limits = {"items_per_job": items_per_job, "max_parallel_jobs": max_parallel_jobs, "max_cost": max_cost}
        order = order_of(
            items,
            prompt,
            str(model),
            response_model,
            limits,
            batch_kwargs,
            store,
            cited=enable_citations,
            keep_raw=save_results_dir is not None,
        )
        self._sliced = Sliced(order, os.environ, store, given) if items.rows else None
        if self._sliced is None:
            empty_state(given, order.limits)

    def run(self, print_progress: bool = False) -> RunResult:  # noqa: FBT001, FBT002 - brief 4 has it so
        """Run to the end, or to the cost limit; goes on where an earlier run stopped.

        Returns the results in input order, None where there is none, with `.summary`. Ctrl+C saves the state and raises
        KeyboardInterrupt: jobs at the provider go on, and the next run fetches them. Raises CostLimitExceededError for
        a max_cost below what is spent, JobProcessingError when a wrong key or an outage ended the run.
        """
        if self._sliced is not None:
            with Printer(self._sliced, shown=print_progress) as printer:
                self._sliced.run(printer.step)
        return self.results()

    def retry_failed(self, print_progress: bool = False) -> RunResult:  # noqa: FBT001, FBT002 - as run
        """Ask the failed items again, and only those. As `run`; `retry_count` in the summary says how many they were.

        With none of them nothing is done, and `note` in the summary says so.
        """
        count = 0
        if self._sliced is not None:
            with Printer(self._sliced, shown=print_progress) as printer:
                count = self._sliced.retry(printer.step)
        result = self.results()
        result.summary["retry_count"] = count
        if not count:
            result.summary["note"] = _NOTHING
            if print_progress:
                print(_NOTHING)  # noqa: T201 - print_progress says so
        return result

    def results(self) -> RunResult:
        """All there is by now, in input order."""
        return result_of(self._sliced, self._model)

    @property
    def stats(self) -> dict[str, Any]:
        """Items and jobs by state, money in dollars, seconds. May be asked at any time, from any thread."""
        return stats_of(self._sliced)

    @staticmethod
    def load_results_from_disk(save_results_dir: str | Path, response_model: Any = None) -> RunResult:  # noqa: ANN401
        """Results that a manager has saved, in input order, as the model when one is given."""
        return load_results(Path(save_results_dir), response_model)


def _check_positive(max_cost: Any) -> None:  # noqa: ANN401 - checked here
    try:
        dollars(max_cost, "max_cost")
    except UsageError as error:
        message = f"max_cost must be positive: {error.message}"
        raise BatchManagerError(message, hint=error.hint) from None


def _path(name: str, value: Any) -> Path | None:  # noqa: ANN401 - checked here
    if value is not None and not isinstance(value, str | Path):
        message = f"{name} must be a path, not {value!r}"
        raise BatchManagerError(message)
    return None if value is None else Path(value)


def _name(response_model: Any) -> str | None:  # noqa: ANN401
    return (
        response_model.__name__ if isinstance(response_model, type) else None if response_model is None else "a schema"
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - for the state file
    return value if isinstance(value, str | int | float | bool) else str(value)

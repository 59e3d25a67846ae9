"""What a run came to: a list of results in input order that also answers by the names of its summary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packmule.compose import Sliced, as_citations, saved_results
from packmule.core.money import usd
from packmule.errors import BatchManagerError
from packmule.views.jobs_ahead import jobs_ahead
from packmule.views.progress import Progress


class RunResult(list[Any]):
    """One entry an item, in input order: a value of the response model, a text, or None where there is none (yet).

    `citations` is parallel: {dotted path: [Citation]} or None. `summary` counts and sums; its keys may also be asked of
    the result itself: `result["total_cost"]`.
    """

    def __init__(self, results: Iterable[Any], citations: Iterable[Any], summary: dict[str, Any]) -> None:
        super().__init__(results)
        self.citations = list(citations)
        self.summary = summary

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - a list's, or the summary's
        return self.summary[key] if isinstance(key, str) else super().__getitem__(key)


def typed(value: Any, model: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as the pydantic model; as it is without one."""
    return model.model_validate(value) if value is not None and hasattr(model, "model_validate") else value


def result_of(sliced: Sliced | None, model: Any) -> RunResult:  # noqa: ANN401 - a pydantic model, or none
    """All there is of a batch by now."""
    outputs = [] if sliced is None else sliced.slices.outputs()
    return _result(outputs, model, summary_of(sliced))


def load_results(folder: Path, model: Any) -> RunResult:  # noqa: ANN401 - a pydantic model, or none
    """Results from a save_results_dir, in input order. Raises BatchManagerError where there are none."""
    found = saved_results(folder)
    if not found:
        message = f"there are no results in {folder}"
        raise BatchManagerError(message, hint="give the folder that was save_results_dir")
    return _result(found, model, {"total_items": len(found)})


def _result(outputs: list[tuple[Any, Any]], model: Any, summary: dict[str, Any]) -> RunResult:  # noqa: ANN401
    citations = [as_citations(cited) for _, cited in outputs]
    return RunResult([typed(result, model) for result, _ in outputs], citations, summary)


def _dollars(pico: int) -> float:
    return float(usd(pico))


def summary_of(sliced: Sliced | None) -> dict[str, Any]:
    """Counts that add up (completed + failed + pending = total), and dollars."""
    progress = None if sliced is None else sliced.desk.progress(sliced.row)
    if sliced is None or progress is None:
        counts = ("total_items", "completed_items", "failed_items", "pending_items", "jobs_completed")
        return {**dict.fromkeys(counts, 0), "total_cost": 0.0, "unknown_cost": 0.0, "cost_limit_reached": False}
    return {
        "total_items": progress.total,
        "completed_items": progress.completed,
        "failed_items": _failed(progress),
        "pending_items": progress.pending,
        "jobs_completed": sliced.slices.count("completed") + sliced.slices.count("failed"),
        "total_cost": _dollars(progress.settled),
        "unknown_cost": _dollars(progress.unknown),
        "cost_limit_reached": _limit_reached(progress),
    }


def stats_of(sliced: Sliced | None) -> dict[str, Any]:
    """The summary, and how it stands now."""
    summary = summary_of(sliced)
    if sliced is None:
        none = {"total": 0, "pending": 0, "processing": 0, "completed": 0, "failed": 0}
        return {**summary, "percent_complete": 100.0, "jobs": none, "elapsed_s": 0.0, "eta_s": 0.0}
    sliced.slices.refresh()
    progress, slices = sliced.desk.progress(sliced.row), sliced.slices
    states = {state: slices.count(state) for state in ("pending", "processing", "completed", "failed")}
    cap = progress.cap
    return {
        **summary_of(sliced),
        "batch_id": progress.batch_id,
        "state": progress.label or progress.state,
        "percent_complete": 100 * progress.done / progress.total,
        "percent_failed": 100 * _failed(progress) / progress.total,
        "jobs": {"total": len(slices.found), **states},
        "held_cost": _dollars(progress.held),
        "max_cost": None if cap is None else _dollars(cap),
        "percent_of_limit": None if not cap else 100 * progress.settled / cap,
        "elapsed_s": progress.elapsed_s or 0.0,
        "eta_s": eta_of(sliced, progress),
    }


def eta_of(sliced: Sliced, progress: Progress) -> float | None:
    """Seconds until all is done, 0 when it is; None: not known."""
    if not progress.pending:
        return 0.0
    if not progress.running:
        return None
    return jobs_ahead(sliced.slices.times(), progress.at, sliced.parallel)


def _failed(progress: Progress) -> int:
    return progress.total - progress.completed - progress.pending


def _limit_reached(progress: Progress) -> bool:
    full = progress.cap is not None and progress.pending > 0 and progress.settled >= progress.cap
    return full or (progress.state == "stopped" and progress.reason == "budget")

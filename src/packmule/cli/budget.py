"""`--budget` and `--stop-on-budget`: other words for a cap. Alone, a budget only warns, and agrees to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packmule.config import dashed
from packmule.errors import UsageError


def bounded(given: dict[str, Any]) -> dict[str, Any]:
    """What was given, a budget written as a cap. Raises UsageError where the words contradict each other."""
    budget, stops = given["budget"], given["stop_on_budget"]
    if budget is None:
        if stops:
            message = "--stop-on-budget names no amount"
            raise UsageError(message, hint="give one with --budget 2.00; --max-cost alone stops by itself")
        return given
    if given["max_cost"] is not None:
        message = "--budget and --max-cost both bound the batch"
        raise UsageError(
            message, hint="give one: --max-cost stops, --budget warns, --budget with --stop-on-budget stops"
        )
    if stops and given["on_budget"] == "warn":
        message = "--stop-on-budget and --on-budget warn contradict each other"
        raise UsageError(message, hint="give one of them")
    return {**given, "max_cost": budget, "on_budget": "stop" if stops else given["on_budget"] or "warn"}


def spelling(given: dict[str, Any]) -> Callable[[str], str]:
    """How a limit was written: a cap as the budget that it is."""
    return lambda name: "--budget" if name == "max_cost" and given["budget"] is not None else dashed(name)

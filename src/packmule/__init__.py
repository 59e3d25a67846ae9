"""Carries large batches of LLM calls over your own data: durable, bounded, visible."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
"""For type checkers alone. `typing` itself would take longer than all that the command needs to begin."""
if TYPE_CHECKING:
    from typing import Any

    from packmule.api import Batch, Handle, Result, Results
    from packmule.core.calls import Reply
    from packmule.core.items import Item, ItemChange
    from packmule.core.ports import Rejection
    from packmule.errors import (
        BatchManagerError,
        CallFailed,
        CallRejected,
        ConsentNeeded,
        CostLimitExceededError,
        InvalidStateError,
        JobProcessingError,
        KeyMissing,
        LeaseHeld,
        ModelUnknown,
        PackmuleError,
        PreflightError,
        PriceUnknown,
        SourceError,
        StateFileError,
        StoreError,
        UsageError,
    )
    from packmule.manager import BatchJob, BatchManager, RunResult, batch

__version__ = "0.1.0"
__all__ = [
    "Batch",
    "BatchJob",
    "BatchManager",
    "BatchManagerError",
    "CallFailed",
    "CallRejected",
    "ConsentNeeded",
    "CostLimitExceededError",
    "Handle",
    "InvalidStateError",
    "Item",
    "ItemChange",
    "JobProcessingError",
    "KeyMissing",
    "LeaseHeld",
    "ModelUnknown",
    "PackmuleError",
    "PreflightError",
    "PriceUnknown",
    "Rejection",
    "Reply",
    "Result",
    "Results",
    "RunResult",
    "SourceError",
    "StateFileError",
    "StoreError",
    "UsageError",
    "__version__",
    "batch",
]
_HOMES = {
    **dict.fromkeys(("Batch", "Handle", "Result", "Results"), "packmule.api"),
    **dict.fromkeys(("BatchJob", "BatchManager", "RunResult", "batch"), "packmule.manager"),
    **dict.fromkeys(("Item", "ItemChange"), "packmule.core.items"),
    "Reply": "packmule.core.calls",
    "Rejection": "packmule.core.ports",
}
"""Where a name is, unless it is an error."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """Every name is imported when first used, so that the command begins at once, whatever it is to do."""
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "packmule.errors")), name)
    message = f"module 'packmule' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return list(__all__)

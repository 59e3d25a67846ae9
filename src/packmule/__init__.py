"""Carries large batches of LLM calls over your own data: durable, bounded, visible."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from packmule.api import Batch, Handle, Result, Results
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
_HOMES = dict.fromkeys(("Batch", "Handle", "Result", "Results"), "packmule.api")
_HOMES |= dict.fromkeys(("BatchJob", "BatchManager", "RunResult", "batch"), "packmule.manager")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """The classes that need the whole engine are imported when first used."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    message = f"module 'packmule' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return list(__all__)

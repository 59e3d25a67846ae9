"""Carries large batches of LLM calls over your own data: durable, bounded, visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packmule.core.calls import Reply
from packmule.core.items import Item, ItemChange
from packmule.core.ports import Rejection
from packmule.errors import (
    CallFailed,
    CallRejected,
    ConsentNeeded,
    KeyMissing,
    LeaseHeld,
    ModelUnknown,
    PackmuleError,
    PreflightError,
    PriceUnknown,
    SourceError,
    StoreError,
    UsageError,
)

if TYPE_CHECKING:
    from packmule.api import Batch, Handle, Result, Results

__version__ = "0.1.0"
__all__ = [
    "Batch",
    "CallFailed",
    "CallRejected",
    "ConsentNeeded",
    "Handle",
    "Item",
    "ItemChange",
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
    "SourceError",
    "StoreError",
    "UsageError",
    "__version__",
]
_LAZY = {"Batch", "Handle", "Result", "Results"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """The classes that need the whole engine are imported when first used."""
    if name in _LAZY:
        from packmule import api  # noqa: PLC0415 - lazy on purpose

        return getattr(api, name)
    message = f"module 'packmule' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return list(__all__)

"""The one durable truth: batches, items, calls, attempts and their money, in SQLite."""

from __future__ import annotations

from packmule.store.group import Group
from packmule.store.rows import AttemptRow, BatchRow, CallRow, ItemRow, ResultRow, UnknownRow
from packmule.store.sqlite import Store

__all__ = ["AttemptRow", "BatchRow", "CallRow", "Group", "ItemRow", "ResultRow", "Store", "UnknownRow"]

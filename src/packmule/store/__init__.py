"""The one durable truth: batches, items, calls, attempts and their money, in SQLite."""

from __future__ import annotations

from packmule.store.journal import BatchJournal
from packmule.store.sqlite import Store

__all__ = ["BatchJournal", "Store"]

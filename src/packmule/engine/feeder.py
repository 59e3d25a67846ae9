"""Pulls pending items from the store page by page: memory does not grow with the batch.

Begun items come first, all of them before the first fresh one: their calls may have been paid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from packmule.core.rows import ItemRow

PAGE_MAX = 1000

Fetch = Callable[[bool, int, int], list[ItemRow]]
"""(begun, after seq, limit) -> items in input order."""


class Feeder:
    """Hands out each pending item once."""

    def __init__(self, fetch: Fetch, page: int) -> None:
        self._fetch = fetch
        self._page = max(16, min(PAGE_MAX, page))
        self._buffer: deque[ItemRow] = deque()
        self._begun = True
        self._after = -1
        self.dry = False

    def next(self) -> ItemRow | None:
        """The next item, or None when there is none left."""
        while not self._buffer and not self.dry:
            rows = self._fetch(self._begun, self._after, self._page)
            self._buffer.extend(rows)
            if rows:
                self._after = rows[-1].seq
            elif self._begun:
                self._begun, self._after = False, -1
            else:
                self.dry = True
        return self._buffer.popleft() if self._buffer else None

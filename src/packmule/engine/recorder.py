"""The only writer of outcomes.

The engine fills a group on its loop; one thread makes groups durable, one after the other, without a timer: what
gathered while one commit ran is the next.

Two rules: an intent's waiter is called only when its group is durable, and a group that cannot be made durable is
kept and tried again, never dropped. When the disk is full the ballast is given up for what was already paid.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable

from packmule.core.group import Group, new_counts
from packmule.core.ports import Journal
from packmule.errors import LeaseLost, StoreFull

RETRY_S = 0.5


class Recorder:
    """One batch's writes. `on_trouble` is told a sentence when commits fail, and '' when they work again."""

    def __init__(self, journal: Journal, epoch: int, *, threaded: bool = True) -> None:
        self.group = Group()
        self.on_trouble: Callable[[str], None] = lambda _: None
        self.on_fatal: Callable[[BaseException], None] = lambda _: None
        self.rev = 0
        self._handed = new_counts()
        self._journal = journal
        self._epoch = epoch
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._busy = self._scheduled = self._dead = self._short = False
        self._group: Group | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="packmule-writer", daemon=True)
        self._threaded = threaded
        self._journal.take_ballast()
        if threaded:
            self._thread.start()

    def wake(self) -> None:
        """Something was put into `group`: hand it over when the writer is free."""
        if not (self._busy or self._scheduled or self._dead):
            self._scheduled = True
            self._loop.call_soon(self._safely, self._hand_over)

    @property
    def counts(self) -> dict[str, int]:
        """What this session has added to the totals, with what is on its way to the disk."""
        return {name: count + self.group.counts[name] for name, count in self._handed.items()}

    def durable(self) -> asyncio.Future[None]:
        """Done when all that is in `group` now is on disk."""
        future: asyncio.Future[None] = self._loop.create_future()
        if self._dead:
            # Nothing will ever be durable again: whoever waits unwinds.
            future.cancel()
            return future
        self.group.waiters.append(future)
        self.wake()
        return future

    async def close(self, grace_s: float = 10.0) -> bool:
        """Write what is left and end the thread. False when the store could not take it within `grace_s`."""
        saved = True
        if not self._dead:
            try:
                await asyncio.wait_for(self.durable(), grace_s)
            except TimeoutError:
                saved = False
        self._closing.set()
        self._queue.put(None)
        if self._threaded:
            await asyncio.to_thread(self._thread.join, 5.0)
        return saved

    def _hand_over(self) -> None:
        self._scheduled = False
        if self._busy or self._dead or self.group.empty:
            return
        if self.group.live_of is not None:
            self.group.live = self.group.live_of()
        self._handed = self.counts
        group, self.group = self.group, Group()
        self._group = group
        self._busy = True
        if self._threaded:
            self._queue.put(group)
        else:
            self._try(group)

    def _write_all(self) -> None:
        while (group := self._queue.get()) is not None:
            self._try(group)

    def _try(self, group: Group) -> None:
        failed = False
        while True:
            try:
                rev = self._journal.commit(self._epoch, group)
            except StoreFull as error:
                failed = True
                self._call(self._trouble, group, str(error))
                self._journal.release_ballast()
                if self._closing.wait(RETRY_S):
                    return
                if self._landed_after_reopen(group):
                    rev = self.rev + 1
                    break
            except BaseException as error:  # noqa: BLE001 - handed to the engine, which ends
                self._call(self._fatal, error)
                return
            else:
                break
        self._call(self._done, group, rev, failed)

    def _landed_after_reopen(self, group: Group) -> bool:
        """A commit that failed may be on disk all the same: look, on a fresh handle, before writing it twice."""
        try:
            self._journal.reopen()
            return self._journal.landed(group)
        except (StoreFull, LeaseLost):
            return False

    def _call(self, function: Callable[..., None], *args: object) -> None:
        self._loop.call_soon_threadsafe(self._safely, function, *args)

    def _safely(self, function: Callable[..., None], *args: object) -> None:
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - a callback of the loop: nobody else would see it
            self.on_fatal(error)

    def _trouble(self, group: Group, sentence: str) -> None:
        if group is self._group:
            self._short = True
            self.on_trouble(sentence)

    def _done(self, group: Group, rev: int, failed: bool) -> None:  # noqa: FBT001 - a callback's argument
        self._busy = False
        self.rev = rev
        for waiter in group.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._group = None
        self._short = self._short or failed
        if self._short and self._journal.take_ballast():
            # Only when the space that saved us can be held back again is the trouble over.
            self._short = False
            self.on_trouble("")
        if not self.group.empty:
            self._hand_over()

    def _fatal(self, error: BaseException) -> None:
        self._dead = True
        self.on_fatal(error)

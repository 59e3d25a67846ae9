"""A session on a thread and loop of its own, so that it runs the same in a script, a notebook and a running loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from packmule.compose.parts import loop_factory
from packmule.compose.session import Outcome, Session
from packmule.core.items import ItemChange


class Background:
    """Drives a session from now to its end, and closes it. `error` is what ended it early."""

    def __init__(
        self,
        session: Session,
        on_change: Callable[[ItemChange], None] | None = None,
        *,
        only: Sequence[int] | None = None,
    ) -> None:
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        # Not the thread itself: a join that Ctrl+C interrupts takes its thread for ended (Python 3.11).
        self._over = threading.Event()
        parts = (session, on_change, only)
        self._thread = threading.Thread(target=self._run, args=parts, name=session.row.id, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Has it not ended yet?"""
        return not self._over.is_set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait, at most so long: has it ended?"""
        return self._over.wait(timeout_s)

    def _run(
        self, session: Session, on_change: Callable[[ItemChange], None] | None, only: Sequence[int] | None
    ) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                ending = runner.run(session.drive(on_change=on_change, only=only))
            self.outcome = session.finish(ending)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self.error = error
        finally:
            session.close()
            self._over.set()

"""Signals while a batch runs: the first asks it to finish what is on its way, the second drops that, the third leaves.

Nothing is lost by any of them: state is on disk before each step.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from packmule.cli.keys import restore_terminal
from packmule.cli.say import say_anyhow
from packmule.core.words import counted

if TYPE_CHECKING:
    from packmule.compose import Session

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts signals; `number` is the one that began the end."""

    def __init__(self, session: Session) -> None:
        self.number: int | None = None
        self._count = 0
        self._session = session
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def watch(self) -> None:
        """Take the signals over, on the running loop."""
        import asyncio  # noqa: PLC0415 - a seventh of what --help takes

        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # `nohup` has us ignore that the terminal is gone; Ctrl+C is for us even in a shell's background.
            if number != signal.SIGHUP or self._before[number] != signal.SIG_IGN:
                loop.add_signal_handler(number, self._on, int(number))

    def release(self) -> None:
        """Give the signals back once the loop is closed, to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on(self, number: int) -> None:
        self._count += 1
        self.number = self.number or number
        flying = self._session.in_flight
        if self._count == 1:
            calls = counted(flying, "call")
            again = "Ctrl+C again" if number == signal.SIGINT else "Another signal"
            grace = f"(<= {self._session.grace_s:.0f} s)"
            said = f"Finishing {calls} {grace}. {again} drops them (they may still be billed)."
            say_anyhow(f"\n{said if flying else 'Stopping; no call is on its way.'}")
            self._session.stop(f"signal {signal.Signals(number).name}")
        elif self._count == 2:  # noqa: PLR2004 - the second time
            say_anyhow(f"\nDropping {counted(flying, 'call')}; what they may cost is counted as unknown.")
            self._session.drop()
        else:
            restore_terminal()
            os._exit(128 + number)

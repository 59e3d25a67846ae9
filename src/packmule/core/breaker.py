"""The breaker of one bucket: when a provider is down, stop asking, and probe with one real waiting item.

Opens at five failures in a row, or when at least half of at least twenty calls within 30 s failed. Waits 15 s, then
twice as long each time, up to 5 min, with jitter. A rate limit is no failure. There is no synthetic probe: it would
be paid.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

IN_ROW = 5
SHARE = 0.5
CALLS_MIN = 20
WINDOW_S = 30.0
WAIT_FIRST_S = 15.0
WAIT_MAX_S = 300.0


@dataclass(slots=True)
class Breaker:
    """`open_until_s` is set while open; `since_s` is when the trouble began, for --outage-limit."""

    in_row: int = 0
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    failures: int = 0
    open_until_s: float | None = None
    since_s: float | None = None
    wait_s: float = WAIT_FIRST_S
    probing: bool = False
    reason: str = ""

    def blocks(self, now_s: float) -> float:
        """0 when an attempt may go (closed, or the one probe); else seconds to wait (inf: for the probe's end)."""
        if self.open_until_s is None:
            return 0.0
        if self.probing:
            return float("inf")
        return max(0.0, self.open_until_s - now_s)

    def take(self) -> None:
        """An attempt goes: while open, it is the probe."""
        if self.open_until_s is not None:
            self.probing = True

    def on_success(self, now_s: float) -> None:
        """Close, whatever was."""
        self.in_row = 0
        if self.open_until_s is not None:
            self.recent.clear()
            self.failures = 0
        self.open_until_s = None
        self.since_s = None
        self.probing = False
        self.wait_s = WAIT_FIRST_S
        self._note(now_s, failed=False)

    def on_neutral(self) -> None:
        """The probe ended with neither (a rate limit, a bad request, not sent by us): another may try."""
        self.probing = False

    def on_failure(self, now_s: float, reason: str, jitter: float) -> None:
        """Count a failure; `jitter` in [0, 1) spreads the wake-up by up to a fifth."""
        self.in_row += 1
        if self.since_s is None:
            self.since_s = now_s
        self._note(now_s, failed=True)
        if self.open_until_s is not None:
            # A late failure of a call that was on its way when it opened says nothing new.
            if self.probing:
                self.wait_s = min(WAIT_MAX_S, self.wait_s * 2)
                self._open(now_s, reason, jitter)
        elif self.in_row >= IN_ROW or (len(self.recent) >= CALLS_MIN and self.failures >= SHARE * len(self.recent)):
            self._open(now_s, reason, jitter)

    def _open(self, now_s: float, reason: str, jitter: float) -> None:
        self.open_until_s = now_s + self.wait_s * (1 + jitter / 5)
        self.probing = False
        self.reason = reason

    def _note(self, now_s: float, *, failed: bool) -> None:
        self.recent.append((now_s, failed))
        self.failures += failed
        while self.recent and self.recent[0][0] < now_s - WINDOW_S:
            self.failures -= self.recent.popleft()[1]

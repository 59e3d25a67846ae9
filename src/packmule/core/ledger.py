"""The money of a batch. With a `stop` cap: settled + unknown + held <= cap, after every commit.

Decided here, in one place, in the step that records the intent. `promised` is what every begun item may still
need (its holds counted in), so that the money near the cap does not end in half-made items.
A `warn` cap is a watched number: it never refuses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Ledger:
    """All amounts in picodollars. `cap` None means no cap."""

    cap: int | None = None
    stops: bool = True
    settled: int = 0
    unknown: int = 0
    held: int = 0
    promised: int = 0

    @property
    def committed(self) -> int:
        """What is or may be owed by now."""
        return self.settled + self.unknown + self.held

    @property
    def left(self) -> int | None:
        """What the cap still allows, None without a cap that stops."""
        return None if self.cap is None or not self.stops else self.cap - self.committed

    def admits(self, worst: int) -> bool:
        """May an attempt of a begun item, costing at most `worst`, go now?"""
        left = self.left
        return left is None or worst <= left

    def admits_item(self, need: int) -> bool:
        """May a new item begin that needs at most `need`, beside what every begun one may still need?"""
        if self.cap is None or not self.stops:
            return True
        return self.settled + self.unknown + max(self.promised, self.held) + need <= self.cap

    def hold(self, worst: int) -> None:
        """An intent is being recorded."""
        assert worst >= 0, f"a hold of {worst} would widen the cap"
        self.held += worst
        self.verify()

    def settle(self, worst: int, cost: int) -> bool:
        """The true cost is known. False when it was above the hold: the batch stops with `overrun`."""
        self.held -= worst
        self.settled += cost
        return cost <= worst

    def lose(self, worst: int) -> None:
        """The outcome is unknown: the worst case stays counted."""
        self.held -= worst
        self.unknown += worst

    def release(self, worst: int) -> None:
        """The provider did not process it."""
        self.held -= worst

    def verify(self) -> None:
        """The promise itself; asserted in production."""
        left = self.left
        assert left is None or left >= 0 or self.settled + self.unknown > (self.cap or 0), (
            f"the cap would be overshot: {self}"
        )


@dataclass(slots=True)
class ItemMoney:
    """One item's money. `need` is the most it may take in all, known once it has asked.

    `before` is what it had spent when this session took it up.
    """

    need: int = 0
    spent: int = 0
    held: int = 0
    before: int = 0

    @property
    def remaining(self) -> int:
        """What it may still need, holds counted once."""
        return max(self.held, self.need - self.spent)

    def expect(self, worst: int, calls_left: int | None, largest_item: int) -> int:
        """The most it may take in all, if its next call costs at most `worst` and so many were left to this session."""
        rest = need_of(worst, calls_left, largest_item - self.before)
        return max(self.need, self.before + rest, self.spent + self.held + worst)

    def would_pass(self, worst: int, cap: int | None) -> bool:
        """Would one more attempt of `worst` pass this item's own cap?"""
        return cap is not None and self.spent + self.held + worst > cap


def need_of(worst: int, calls: int | None, largest_item: int) -> int:
    """What an item whose first call costs at most `worst` may take: declared calls, else as the largest one did."""
    if calls is not None:
        return calls * worst
    return max(worst, largest_item)

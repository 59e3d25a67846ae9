"""A provider's own bill beside our books: the two are counted by different code, and must agree.

Every billed call is settled, or unknown and then counted at the most it can have cost; nothing is billed beyond that.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from packmule.compose.desk import Desk
from packmule.core.rows import BatchRow


class Verdict(Struct, frozen=True):
    """Calls and picodollars on the bill and in the books; `paid_twice` counts requests billed more than once."""

    billed_calls: int
    settled_calls: int
    unknown_calls: int
    billed: int
    settled: int
    unknown: int
    held: int
    paid_twice: int

    @property
    def difference(self) -> int:
        """What was billed and is not settled: the true cost of the answers that were lost."""
        return self.billed - self.settled

    @property
    def holds(self) -> bool:
        """Do the books hold the bill?"""
        calls = self.settled_calls <= self.billed_calls <= self.settled_calls + self.unknown_calls
        return calls and 0 <= self.difference <= self.unknown + self.held


def judge(desk: Desk, row: BatchRow, bill: Path) -> Verdict:
    """The bill of a provider that served nobody else, and one batch at rest."""
    from packmule.sim.bill import read_bill  # noqa: PLC0415 - only beside a bill of the box

    row, sums = desk.now(row), read_bill(bill)
    endings = desk.endings(row)
    return Verdict(
        billed_calls=sums.calls,
        settled_calls=sum(count for (state, _), count in endings.items() if state == "answered"),
        unknown_calls=sum(count for (state, _), count in endings.items() if state == "unknown"),
        billed=sums.cost_pico,
        settled=row.settled,
        unknown=row.unknown,
        held=row.held,
        paid_twice=sum(count - 1 for count in sums.by_request.values()),
    )

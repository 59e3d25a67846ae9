"""What a batch will have cost in the end: spent so far, and what the rest is likely to take.

The rest is priced at the mean of the completed items; the range comes from how much items of this session differ.
Blocked and failed items cost what they cost: they are part of what is spent, never of the mean. So is what was written
off for lost answers.
"""

from __future__ import annotations

import math

from msgspec import Struct

from packmule.core.live import MoneyFacts
from packmule.core.rows import BatchRow

Z80 = 1.2816
SURE_FROM = 2


class Projection(Struct, frozen=True):
    """Picodollars: of one item, and of the whole batch in eight of ten cases between `low` and `high`."""

    per_item: int
    low: int
    likely: int
    high: int


def project(row: BatchRow, money: MoneyFacts) -> Projection | None:
    """None before an item is completed."""
    spent = row.settled + row.unknown
    mean = money.mean if money.items >= SURE_FROM else row.per_item
    if mean is None:
        return None
    rest = mean * row.pending
    spread = Z80 * mean * money.cv * math.sqrt(row.pending + row.pending**2 / max(1, money.items))
    likely = spent + round(rest)
    return Projection(round(mean), max(spent, likely - round(spread)), likely, likely + round(spread))

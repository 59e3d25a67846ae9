"""What a pilot measured, and what it says of the rest.

Every ended item counts, failed ones too: the rest will fail as often, and cost so much on the way. The range holds in
eight of ten cases, and needs two items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from msgspec import Struct

from packmule.core.rows import BatchRow, ShownRow
from packmule.views.projection import Z80

SURE_FROM = 2
P95 = 0.95


class Measured(Struct, frozen=True):
    """Picodollars: `spent` and `unknown` so far, `rest` for the `left` items, and the total from `low` to `high`.

    Latencies in seconds, of whole items.
    """

    items: int
    failed: int
    left: int
    per_item: int
    spent: int
    unknown: int
    rest: int
    low: int
    likely: int
    high: int
    p50_s: float
    p95_s: float


def measure(row: BatchRow, ended: Sequence[ShownRow]) -> Measured | None:
    """From the ended items of a batch at rest; None before there is one."""
    if not ended:
        return None
    costs = [item.cost for item in ended]
    mean, left, count = fmean(costs), row.pending, len(costs)
    spread = Z80 * stdev(costs) * math.sqrt(left + left**2 / count) if count >= SURE_FROM else 0.0
    spent = row.settled + row.unknown
    rest = round(mean * left)
    times = sorted(item.latency_ms / 1000 for item in ended)
    return Measured(
        items=count,
        failed=sum(item.state != "completed" for item in ended),
        left=left,
        per_item=round(mean),
        spent=row.settled,
        unknown=row.unknown,
        rest=rest,
        low=max(spent, spent + rest - round(spread)),
        likely=spent + rest,
        high=spent + rest + round(spread),
        p50_s=times[count // 2],
        p95_s=times[min(count - 1, int(count * P95))],
    )

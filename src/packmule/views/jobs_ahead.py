"""How long jobs will still take: as long as those that have ended took, so many side by side.

Nothing is invented: before the first has ended, nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence

Times = Sequence[tuple[int | None, int | None]]
"""When each job began and ended, in microseconds UTC; None: not yet."""


def jobs_ahead(times: Times, now_us: int, parallel: int) -> float | None:
    """Seconds until the last one ends; None where none has ended yet."""
    lasted = [ended - begun for begun, ended in times if begun is not None and ended is not None]
    if not lasted:
        return None
    ages = [now_us - begun for begun, ended in times if begun is not None and ended is None]
    waves = -(-(len(times) - len(lasted)) // parallel)
    each = sum(lasted) / len(lasted)
    age = sum(ages) / len(ages) if ages else 0.0
    return max(0.0, waves * each - min(age, each)) / 1e6

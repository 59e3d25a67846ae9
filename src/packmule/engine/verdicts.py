"""Why a run ends, or an item is blocked, in a sentence: money, keys, providers that say one thing and bill another."""

from __future__ import annotations

from packmule.core.endings import Ending
from packmule.core.money import dollars_up, usd_down, usd_exact, usd_short
from packmule.engine.tap import Tap
from packmule.engine.waiting import Waiting


def broke(tap: Tap) -> Ending:
    """Only money is missing, and nothing is on its way that could free some."""
    least = min(map(tap.cap_for, tap.waiting), default=0)
    cap, left = usd_exact(tap.ledger.cap or 0), usd_down(max(0, tap.ledger.left or 0))
    detail = f"{left} is left of the cap {cap}, too little for the next item; it takes a cap of at least"
    return Ending("stopped", "budget", f"{detail} ${dollars_up(least)}")


def blocked(waiting: Waiting, cap: int) -> str:
    """An item's own cap is reached."""
    spent, need = usd_short(waiting.run.money.spent), usd_short(waiting.worst)
    return f"item cap {usd_exact(cap)}: {spent} spent, the next call may cost {need}"


def overrun(key: str, cost: int, worst: int) -> Ending:
    """The provider reported more than the bound: recorded as reported, and the batch stops."""
    detail = f"item {key} cost {usd_short(cost)}, above its worst case {usd_short(worst)}"
    return Ending("stopped", "overrun", detail)

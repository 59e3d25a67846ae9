"""Figures of a batch as words: durations, what is left, money, pace. Every face says them the same way.

Unknown is never zero: what nobody knows is left out or called so.
"""

from __future__ import annotations

from datetime import datetime

from packmule.core.money import usd_down, usd_exact, usd_short
from packmule.core.words import counted
from packmule.views.progress import Line, Progress, wait_text, whole

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
# (up to so many seconds, rounded to so many): nobody plans by the second what takes an hour.
STEPS = ((20, 1), (90, 5), (600, 30), (HOUR_S, 60), (6 * HOUR_S, 300), (10 * DAY_S, 1800))
ASKED = ("completed", "failed", "blocked")
TROUBLES = ("failed", "blocked", "skipped", "cancelled")

Parts = list[str]


def duration(seconds: float) -> str:
    """'45 s', '2 min 15 s', '1 h 05 min', '3 d 4 h'."""
    whole = max(0, round(seconds))
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        minutes, rest = divmod(whole, MINUTE_S)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02d} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


def short(seconds: float) -> str:
    """For a column of times: '12.3s', '4m05s', '1h05m'."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m{whole % MINUTE_S:02d}s"
    return f"{whole // HOUR_S}h{whole % HOUR_S // MINUTE_S:02d}m"


def rounded(seconds: float) -> int:
    """To a step that a person would say."""
    step = next((step for most, step in STEPS if seconds < most), HOUR_S)
    return round(seconds / step) * step


def span(low_s: float, high_s: float) -> str:
    """'9-12 min', '40-55 s', '50 s to 2 min', 'about 3 min' when both round alike."""
    low, high = rounded(low_s), rounded(high_s)
    if low == high:
        return f"about {duration(high)}"
    for unit_s, unit, most in ((1, "s", MINUTE_S), (MINUTE_S, "min", HOUR_S), (HOUR_S, "h", DAY_S)):
        if high < most and low % unit_s == 0 and high % unit_s == 0 and (unit_s == 1 or low):
            return f"{low // unit_s}-{high // unit_s} {unit}"
    return f"{duration(low)} to {duration(high)}"


def left(progress: Progress) -> str:
    """How long it will take still, with clock times; or why nobody can say."""
    if progress.label in {"paused", "pausing", "stopping", "stalled"}:
        return f"{progress.label}, so the end is not foreseen"
    forecast = progress.eta
    if not progress.running:
        return ""
    if forecast is None:
        return "time left: estimating"
    said = f"left {span(forecast.low_s, forecast.high_s)} ({_clock(progress.at, forecast.low_s, forecast.high_s)})"
    if forecast.basis == "history":
        return f"{said}, as the last batch of this kind went"
    last = progress.pending
    return f"{said}, finishing the last {last}" if 0 < last <= progress.in_flight else said


def _clock(at_us: int, low_s: float, high_s: float) -> str:
    start, end = (datetime.fromtimestamp(at_us / 1e6 + s).astimezone() for s in (low_s, high_s))
    form = "%H:%M" if high_s < DAY_S else "%a %H:%M"
    early, late = start.strftime(form), end.strftime(form)
    return f"about {late}" if early == late else f"about {early}-{late}"


def money(progress: Progress) -> Parts:
    """Spent, held, unknown, per item, the projected total, what the cap will leave."""
    parts = [f"spent {usd_short(progress.settled)}{_of_cap(progress)}"]
    if progress.held:
        parts.append(f"held {usd_short(progress.held)}")
    if progress.unknown:
        parts.append(f"unknown {usd_short(progress.unknown)}")
    seen = progress.projection
    if seen is None:
        return parts
    parts.append(f"{usd_short(seen.per_item)}/item")
    if progress.pending:
        parts.append(f"in all {_between(seen.low, seen.high, seen.likely)}")
    after = progress.left_after
    if after is not None:
        more = f"{usd_short(-after)} more than the {_bound(progress)}"
        parts.append(f"{usd_down(after)} left after" if after >= 0 else more)
    return parts


def _of_cap(progress: Progress) -> str:
    if progress.cap is None:
        return ""
    over = ", above it" if progress.settled + progress.unknown > progress.cap else ""
    warns = "" if progress.cap_stops else " (warns)"
    return f" of {usd_exact(progress.cap)} {_bound(progress)}{warns}{over}"


def _bound(progress: Progress) -> str:
    """A cap stops; a budget only warns."""
    return "cap" if progress.cap_stops else "budget"


def _between(low: int, high: int, likely: int) -> str:
    ends = usd_down(low), usd_short(high)
    return f"about {usd_short(likely)}" if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def pace(progress: Progress) -> Parts:
    """Items a minute, latencies, how many calls are on their way, what is waited for."""
    parts = []
    if progress.per_min is not None and progress.label not in {"paused", "stalled"}:
        parts.append(f"{progress.per_min:,.0f}/min" if progress.per_min >= 10 else f"{progress.per_min:.1f}/min")  # noqa: PLR2004
    if progress.p50_s is not None and progress.p95_s is not None:
        parts.append(f"p50 {short(progress.p50_s)} p95 {short(progress.p95_s)}")
    if progress.running:
        parts.append(_busy(progress))
    return parts + [wait_text(wait) for wait in progress.waits[:2]]


def _busy(progress: Progress) -> str:
    """'3 of 8 calls busy'; after the width was lowered, what is on its way still may be more than it."""
    width = min(progress.width or progress.concurrency, progress.concurrency)
    if progress.in_flight > progress.concurrency:
        return f"{counted(progress.in_flight, 'call')} busy, width {width} now"
    narrow = f", width {width} now" if width < progress.concurrency else ""
    return f"{progress.in_flight} of {progress.concurrency} calls busy{narrow}"


def troubles(progress: Progress) -> Parts:
    """Counts of what did not go well, or was not to be done."""
    return [f"{count:,} {name}" for name in TROUBLES if (count := getattr(progress, name))]


def status(line: Line) -> str:
    """'generating', 'retry 2/3 in 6s: server error', 'waits 6s: rate limit', 'failed: the schema asks for total'.

    A retry whose time has come is due: it goes when there is a slot and money for it.
    """
    if line.state == "retrying" and line.reason:
        head, _, why = line.reason.partition(": ")
        if head == "waits":
            return f"waits {whole(line.wait_s)}s: {why}" if line.wait_s else f"waits: {why}"
        due = " due" if head.startswith("retry ") else ""
        return f"{head} in {whole(line.wait_s)}s: {why}" if line.wait_s else f"{head}{due}: {why}"
    word = {"completed": "done", "pending": "queued"}.get(line.state, line.state)
    return f"{word}: {line.reason}" if line.reason and line.state in {"failed", "blocked", "skipped"} else word


def cost(line: Line) -> str:
    """'$0.0111'; with '+?' where a lost answer may have been billed besides, 'unknown' where that is all there is.

    '--' where nothing can have been billed yet.
    """
    if not line.cost and line.unknown:
        return "unknown"
    if not line.cost and line.state not in ASKED:
        return "--"
    return f"{usd_short(line.cost)}{'+?' if line.unknown else ''}"


def block(progress: Progress) -> str:
    """Some plain lines for a log: what a person reads of a run without a terminal."""
    lines = [f"Processing: {progress.done:,}/{progress.wanted:,} items ({progress.share:.1f}%)", _cost(progress)]
    if progress.running and progress.label == "running" and progress.pending:
        forecast = progress.eta
        lines.append("ETA: estimating" if forecast is None else f"ETA: ~{_likely(forecast.likely_s)}")
    elif progress.running:
        lines.append(f"State: {progress.label}")
    lines += [f"Waiting: {wait_text(wait)}" for wait in progress.waits[:2]]
    for name in TROUBLES:
        if count := getattr(progress, name):
            lines.append(f"{name.capitalize()}: {counted(count, 'item')}")
    return "\n".join(lines)


def _cost(progress: Progress) -> str:
    """Spent, rounded up, of the cap or the budget, and what may have been spent besides."""
    said = f"Cost: {usd_short(progress.settled)}"
    if progress.cap:
        share = -(-1000 * progress.settled // progress.cap) / 10
        bound = "limit" if progress.cap_stops else "budget, which only warns"
        said += f" / {usd_exact(progress.cap)} ({share:.1f}% of {bound})"
    if progress.cap and progress.settled + progress.unknown > progress.cap:
        said += ", above it"
    if progress.unknown:
        said += f", {usd_short(progress.unknown)} unknown"
    return said


def _likely(seconds: float) -> str:
    return duration(rounded(seconds)).replace(" s", " sec")

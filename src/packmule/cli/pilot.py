"""`run --pilot N`: some real items first, what they cost and said, and then the question whether to go on.

What the pilot paid for is part of the batch. Declined or killed, the same command comes back to the question, and
`packmule resume` goes on without it. A cap or --yes answers for nobody at a terminal; a person there is asked, unless
--yes was given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from packmule.cli.before import missing
from packmule.cli.say import one_line, say, say_anyhow
from packmule.core.batch import Limits, cap_of
from packmule.core.money import usd_down, usd_short
from packmule.core.rows import BatchRow
from packmule.core.words import counted
from packmule.errors import UsageError
from packmule.views.causes import Cause
from packmule.views.pilot import Measured
from packmule.views.wording import short

if TYPE_CHECKING:
    from packmule.compose import Desk, Session

ASKED_TWICE = "Only the items of the pilot are asked at first; the rest waits for an answer to what they show."
OUTPUTS = 2
OUTPUT_CHARS = 400
CAUSES = 3


@dataclass(frozen=True, slots=True)
class Pilot:
    """At most `count` items first; `yes`: go on unasked."""

    count: int
    yes: bool = False

    def only(self, session: Session) -> list[int] | None:
        """Seqs of the items to ask first: none where enough have ended, None where the pilot would be all there is."""
        row = session.row
        wanted = max(0, self.count - asked(row))
        if wanted >= row.pending:
            return None
        return session.spread(wanted) if wanted else []

    def goes_on(self, desk: Desk, row: BatchRow) -> bool:
        """Show what was measured; may the rest be asked?"""
        asks = not self.yes and sys.stdin.isatty() and sys.stderr.isatty()
        measured = desk.measured(row)
        if measured is not None:
            _say(say_anyhow if asks else say, measured, desk.causes(row).groups[:CAUSES], desk.outputs(row, OUTPUTS))
        rest = counted(row.pending, "item")
        price = f", about {usd_short(measured.rest)}" if measured is not None else ""
        if self.yes:
            return True
        if asks:
            return _confirm(f"Go on with the other {row.pending:,}{price}?")
        if cap_of(row.limits) is not None:
            return True
        how = missing(row.limits)
        say_anyhow(f"Nobody has agreed to the other {rest}{price}: {how}, or go on with the line below.")
        return False


def asked(row: BatchRow) -> int:
    """Items that have ended by being asked."""
    return row.completed + row.failed + row.blocked


def check_detached(limits: Limits, *, detach: bool) -> None:
    """Raise UsageError where nobody could answer the question."""
    if detach and cap_of(limits) is None:
        message = "--pilot asks whether to go on, and with --detach nobody is there to answer"
        raise UsageError(message, hint="leave one of them out, or add --max-cost 2.00 or --yes")


def say_pilot(count: int, total: int) -> None:
    """Before it begins."""
    say(f"Pilot: {counted(count, 'item')} first, from short to long, out of {total:,}")


def _say(say: Callable[[str], None], measured: Measured, causes: list[Cause], outputs: list[tuple[str, str]]) -> None:
    failed = f", {counted(measured.failed, 'failure')}" if measured.failed else ", no failures"
    say(f"Measured on {counted(measured.items, 'item')}: {usd_short(measured.per_item)} an item{failed}")
    lost = f", {usd_short(measured.unknown)} unknown" if measured.unknown else ""
    say(f"  so far   {usd_short(measured.spent)} spent{lost}")
    say(f"  the rest about {usd_short(measured.rest)} for {measured.left:,} more")
    span = f" ({usd_down(measured.low)}-{usd_short(measured.high)})" if measured.low < measured.high else ""
    say(f"  in all   about {usd_short(measured.likely)}{span}")
    say(f"  latency  p50 {short(measured.p50_s)}, p95 {short(measured.p95_s)}")
    for cause in causes:
        say(f"  failed   {cause.count:,} x {cause.name}: {one_line(cause.shown)}")
    for key, output in outputs:
        shown = output if len(output) <= OUTPUT_CHARS else f"{output[:OUTPUT_CHARS]} ..."
        say(f"  output   {one_line(key)}: {shown}")


def _confirm(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        say()
        return False

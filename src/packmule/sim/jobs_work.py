"""What becomes of the lines of a job that is over: answers by the very code of calls, each billed once at half price.

Which lines were done when a job ended early, which fail, and what gets lost on the way to the client is drawn from the
job's own seed, so that the same job has the same fate again after a restart.
"""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

from msgspec import Struct

from packmule.sim.asked import Asked, Refused
from packmule.sim.bill import Billed, PriceList
from packmule.sim.chance import chance_of
from packmule.sim.faults import Draw, reported
from packmule.sim.jobs import Fate, Job, Line, Row
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Wire, encoded
from packmule.sim.work import Work

_HEADERS = {"anthropic-version": "2023-06-01"}
_FAILED = Refused(500, "The server had an error while processing your request.")


class Done(Struct, frozen=True):
    """One line's end, and what it cost; None for what is not billed."""

    row: Row
    billed: Billed | None = None


class JobWork:
    """Works on lines as the scenario has it."""

    def __init__(self, scenario: Scenario, work: Work, draw: Draw) -> None:
        self._seed = scenario.seed
        self._table = scenario.jobs
        self._work = work
        self._draw = draw
        self._prices = PriceList(scenario)

    def read(self, wire: Wire, model: str, line: Line) -> Asked | Refused:
        """What a line asks."""
        return self._work.read(wire, model, _HEADERS, line.body, len(encoded(line.body)))

    def poisoned(self, wire: Wire, model: str, line: Line) -> bool:
        """Does it ask what is never answered?"""
        asked = self.read(wire, model, line)
        return isinstance(asked, Asked) and self._work.poisoned(asked) is not None

    def ends(self, job: Job, wire: Wire, done: int, ended_us: int) -> list[Done]:
        """The end of every line, in their order; `done` of them were reached before the job's own end."""
        chance = chance_of(self._seed, "job", job.draw)
        reached = set(chance.sample(range(len(job.lines)), done))
        early: Fate = "canceled" if job.cancelled_us is not None else "expired"
        found = []
        for number, line in enumerate(job.lines):
            drawn = chance.random()
            if number not in reached or drawn < self._table.expire_share:
                found.append(Done(Row(line, early if number not in reached else "expired")))
            elif drawn < self._table.expire_share + self._table.error_share:
                found.append(_errored(wire, line, _FAILED))
            else:
                found.append(self._answered(job, wire, line, number, ended_us))
        return found

    def told(self, job: Job, rows: list[Row], *, in_order: bool) -> list[Row]:
        """What is handed out of it: some rows are lost, some come twice, some are somebody else's."""
        chance = chance_of(self._seed, "told", job.draw)
        found = []
        for number, row in enumerate(rows):
            copies = 0 if chance.random() < self._table.missing_rows else 1
            if copies and chance.random() < self._table.duplicate_rows:
                copies = 2
            found += [row] * copies
            if chance.random() < self._table.foreign_rows:
                found.append(_foreign(row, number))
        if self._table.reorder and not in_order:
            random.Random(job.draw).shuffle(found)
        return found

    def _answered(self, job: Job, wire: Wire, line: Line, number: int, ended_us: int) -> Done:
        asked = self.read(wire, job.model, line)
        if isinstance(asked, Refused):
            return _errored(wire, line, asked)
        if poison := self._work.poisoned(asked):
            return _errored(wire, line, poison)
        digest = sha256(encoded(line.body)).digest()
        said = self._work.say(asked, digest)
        said = self._work.spoil(asked, said, chance_of(self._seed, "delivery", job.draw, number))
        fault = self._draw.fault(digest, number)
        fault = fault if fault and fault.startswith("usage_") else None
        usage, billed = reported(fault, said, asked)
        body = wire.answer(asked, said, usage, f"{job.id[-16:]}{number:06x}", ended_us // 1_000_000)
        outcome = fault or "answered"
        charged = self._prices.billed(wire, asked.model, billed, digest, outcome, ended_us, job.id, line.custom_id)
        return Done(Row(line, "succeeded", body=body), None if job.foreign else charged)


def _errored(wire: Wire, line: Line, refused: Refused) -> Done:
    body = wire.error(refused.status, refused.message, param=refused.param)
    return Done(Row(line, "errored", refused.status, body))


def _foreign(row: Row, number: int) -> Row:
    name = f"somebody-else-{number}"
    echo: dict[str, Any] | None = None if row.line.echo is None else {"key": name}
    return Row(Line(name, {}, echo), row.fate, row.status, row.body)

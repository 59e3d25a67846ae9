"""Batch jobs of a scripted endpoint: a provider that outlives the sessions that use it, with its own bill.

It makes jobs wait, lose the answer to their making, show up late in lists, be refused for one line, expire, and give
results out of order, twice, or not at all; all by plain settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from packmule.core.calls import Answer, Fault, Received, Request, Usage
from packmule.core.jobs import JobLimits, JobRow, JobSeen
from packmule.core.money import Price, cost_of, discounted
from packmule.core.ports import Clock

JobEnd = Literal["running", "ended", "failed", "cancelled", "expired"]


@dataclass
class _Made:
    marker: str
    lines: list[tuple[str, str]]
    created_s: float
    cancelled_s: float | None = None
    rows: list[JobRow] | None = None


@dataclass
class JobHouse:
    """The provider. Seconds are UTC; `creates` and `lost_creates` count, `bill` is picodollars by a call's text.

    `lose` says which creates (0-based) are made and never answered; `refuses` which text spoils its whole job, and
    `names` whether the refusal names its line. `lag_s` is how late a list shows a job.
    """

    price: Price
    answer: Callable[[str], str] = lambda text: f"answer to {text}"
    duration_s: float = 100.0
    expires_s: float = 86_400.0
    lag_s: float = 0.0
    limits: JobLimits = field(
        default_factory=lambda: JobLimits(50_000, 200 * 2**20, 86_400.0, 30 * 86_400.0, uploads=True)
    )
    lose: Callable[[int], bool] = lambda _: False
    refuses: Callable[[str], bool] = lambda _: False
    names: bool = True
    missing: Callable[[str], bool] = lambda _: False
    jobs: dict[str, _Made] = field(default_factory=dict)
    bill: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    creates: int = 0
    files: int = 0

    @property
    def billed(self) -> int:
        """The whole bill."""
        return sum(self.bill.values())

    def make(self, marker: str, body: bytes, now_s: float) -> str:
        """A job is there from now on."""
        name = f"job_{self.creates}"
        self.creates += 1
        lines = [msgspec.json.decode(line, type=tuple[str, str]) for line in body.splitlines()]
        self.jobs[name] = _Made(marker, lines, now_s)
        self.asked.update(text for _, text in lines)
        return name

    def seen(self, name: str, now_s: float) -> JobSeen:
        """What it is now."""
        job = self.jobs[name]
        bad = tuple(n for n, (_, text) in enumerate(job.lines) if self.refuses(text))
        if bad:
            return self._told(name, "failed", message="a line is bad", bad_lines=bad if self.names else ())
        if job.cancelled_s is not None:
            self._work(job, half=True)
            return self._told(name, "cancelled")
        if now_s < job.created_s + min(self.duration_s, self.expires_s):
            return self._told(name, "running")
        late = self.duration_s > self.expires_s
        self._work(job, half=late)
        return self._told(name, "expired" if late else "ended")

    def _told(self, name: str, state: JobEnd, message: str = "", bad_lines: tuple[int, ...] = ()) -> JobSeen:
        job = self.jobs[name]
        marker = job.marker if self.limits.marked else ""
        return JobSeen(
            name, state, marker, job.created_s, len(job.lines), results=(name,), message=message, bad_lines=bad_lines
        )

    def _work(self, job: _Made, *, half: bool) -> None:
        if job.rows is not None:
            return
        job.rows = []
        for n, (name, text) in enumerate(job.lines):
            if half and n % 2:
                job.rows.append(JobRow(name, None, "the job ended before it was done"))
                continue
            usage = Usage(max(1, len(text) // 4), 10)
            self.bill[text] += cost_of(discounted(self.price, self.limits.discount), usage)
            answer = Answer(self.answer(text), "stop", usage, "scripted")
            if not self.missing(text):
                job.rows.insert(0, JobRow(name, Received(200, {}, msgspec.json.encode(answer))))
        job.rows += [JobRow("somebody-elses-0", None), *job.rows[:1]]


class ScriptedJobs:
    """One session's way to a `JobHouse`; fulfils `core.ports.JobsFace`. `down` makes every exchange fail."""

    def __init__(self, house: JobHouse, clock: Clock, *, down: Callable[[], bool] = lambda: False) -> None:
        self.house = house
        self.limits = house.limits
        self._clock = clock
        self._down = down

    def line(self, name: str, body: bytes) -> bytes:
        """Its name, and the words of what is asked."""
        return msgspec.json.encode((name, msgspec.json.decode(body, type=Request).messages[-1].text))

    def body(self, marker: str, lines: Sequence[bytes]) -> bytes:
        """One line each."""
        del marker
        return b"\n".join(lines)

    async def upload(self, marker: str, body: bytes) -> str | Fault:
        """Counted."""
        del marker, body
        await self._clock.sleep(0.5)
        self.house.files += 1
        return self._trouble() or f"file_{self.house.files}"

    async def create(self, marker: str, body: bytes, file: str | None) -> JobSeen | Fault:
        """Made at once; the answer may be lost."""
        del file
        await self._clock.sleep(0.5)
        if (fault := self._trouble()) is not None:
            return fault
        lost = self.house.lose(self.house.creates)
        name = self.house.make(marker, body, self._now_s())
        await self._clock.sleep(0.5)
        return Fault("reset", "unknown", "connection lost") if lost else self.house.seen(name, self._now_s())

    async def poll(self, remote: str) -> JobSeen | Fault:
        """What it is now."""
        await self._clock.sleep(0.1)
        if remote not in self.house.jobs:
            return Fault("invalid_request", "rejected", "no such job", 404)
        return self._trouble() or self.house.seen(remote, self._now_s())

    async def cancel(self, remote: str) -> JobSeen | Fault:
        """Half of it is done by then."""
        self.house.jobs[remote].cancelled_s = self._now_s()
        return self.house.seen(remote, self._now_s())

    async def jobs(self, since_s: float) -> list[JobSeen] | Fault:
        """Those that the list shows by now."""
        await self._clock.sleep(0.1)
        now_s = self._now_s()
        shown = [name for name, job in self.house.jobs.items() if since_s <= job.created_s <= now_s - self.house.lag_s]
        return self._trouble() or [self.house.seen(name, now_s) for name in shown]

    async def fetch(self, seen: JobSeen, into: Path) -> Fault | None:
        """Into the file."""
        rows = self.house.jobs[seen.id].rows or []
        _write(into, b"\n".join(msgspec.json.encode(row) for row in rows))
        return self._trouble()

    def rows(self, fetched: Path) -> Iterator[JobRow]:
        """Last line first, a foreign one, and the first one twice."""
        for line in fetched.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=JobRow)

    def _trouble(self) -> Fault | None:
        return Fault("server_error", "not_sent", "down") if self._down() else None

    def _now_s(self) -> float:
        return self._clock.utc_us() / 1e6


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

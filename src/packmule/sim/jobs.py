"""Batch jobs as the provider keeps them: what was handed in, and what the clock has made of it.

A job's state is never stored: it follows from its record and the time. Half of what there is to know of a job is its
`results`, which are made, and billed, when it is over; until they are there it counts as running. Records go to a file
beside the bill, so that jobs outlive their clients and the provider's own process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from packmule.sim.chance import chance_of
from packmule.sim.kept import KeptLines, kept_lines
from packmule.sim.scenario import Scenario

VALIDATED = 0.1
"""The share of its time that a job is looked through before work begins; as long it takes to cancel one."""
WORKED = 0.9
"""The share after which every line is done and results are put together."""

Phase = Literal["validating", "working", "finalizing", "cancelling", "failed", "ended", "cancelled", "expired"]
Fate = Literal["succeeded", "errored", "canceled", "expired"]
Routes = tuple[tuple[str, re.Pattern[str], str], ...]
"""(method, path, what is wanted); the group in a path is the name of what it is wanted of."""


class JobRequest(Struct, frozen=True):
    """One request about jobs: the `name` in its path, what stands behind the `?`, and the rest. `mark` makes ids."""

    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    mark: str

    def limit(self, key: str, default: int, most: int) -> int:
        """How many entries a page may have."""
        asked = self.query.get(key, str(default))
        if not asked.isdecimal() or not 1 <= int(asked) <= most:
            message = f"Invalid value for '{key}': expected an integer between 1 and {most}."
            raise JobRefused(400, message, key)
        return int(asked)


class Told(Struct, frozen=True):
    """What is answered to it. `results`: it brings the results of a job, so that a download can break."""

    body: bytes
    kind: str = "application/json"
    results: bool = False


class JobRefused(ValueError):
    """A request about jobs that the vendor would refuse."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class Line(Struct, frozen=True):
    """One request of a job. `echo` is what comes back beside its answer where the vendor echoes."""

    custom_id: str
    body: dict[str, Any]
    echo: dict[str, Any] | None = None


class Problem(Struct, frozen=True):
    """Why a whole job fails. `line` is 0-based, None when it is not told."""

    message: str
    code: str = "invalid_request"
    line: int | None = None
    param: str | None = None


class Draft(Struct, frozen=True):
    """A job as one vendor reads it, before it is made."""

    lines: list[Line]
    settings: dict[str, Any]
    model: str = ""
    problems: list[Problem] = []


class Job(Struct, tag="job"):
    """What was handed in. `draw` seeds its chances; `settings` are what the vendor's face keeps of it."""

    id: str
    vendor: str
    model: str
    lines: list[Line]
    created_us: int
    duration_s: float
    draw: str
    settings: dict[str, Any]
    problems: list[Problem] = []
    cancelled_us: int | None = None
    foreign: bool = False


class File(Struct, tag="file", frozen=True):
    """A file of the provider's storage."""

    id: str
    name: str
    purpose: str
    created_us: int
    content: bytes


class Cancelled(Struct, tag="cancelled", frozen=True):
    """A wish that a job ends."""

    job: str
    at_us: int


class Gone(Struct, tag="gone", frozen=True):
    """A file that was deleted."""

    file: str


class Row(Struct, frozen=True):
    """What became of one line. `body` is that of the answer, or of the error with `status`."""

    line: Line
    fate: Fate
    status: int = 200
    body: dict[str, Any] = {}


class Results(Struct, frozen=True):
    """`rows` are what happened, in the order of the lines; `told` what is handed out, which need not be the same."""

    rows: list[Row]
    told: list[Row]
    ended_us: int

    def count(self, fate: Fate) -> int:
        """How many lines ended so."""
        return sum(row.fate == fate for row in self.rows)


class JobStore:
    """Every job and file. Times are microseconds UTC."""

    def __init__(self, scenario: Scenario, path: Path | None) -> None:
        self._seed = scenario.seed
        self._table = scenario.jobs
        self._jobs: dict[str, Job] = {}
        self._open: dict[str, Job] = {}
        self.results: dict[str, Results] = {}
        self.files: dict[str, File] = {}
        self._gone: set[str] = set()
        self._kept = None
        if path is not None:
            self._kept = KeptLines(path)
            for line in kept_lines(path):
                self._apply(msgspec.json.decode(line, type=Job | File | Cancelled | Gone))

    def close(self) -> None:
        """Finish the file."""
        if self._kept is not None:
            self._kept.close()

    def new_id(self, prefix: str, mark: str) -> str:
        """A name that no job and no file ever had."""
        number = len(self._jobs) + len(self.files)
        while (name := f"{prefix}{mark[:16]}{number:06x}") in self._jobs | self.files or name in self._gone:
            number += 1
        return name

    async def keep(self, record: Job | File | Cancelled | Gone) -> None:
        """Return when it is on disk, where there is one."""
        self._apply(record)
        if self._kept is not None:
            await self._kept.add(msgspec.json.encode(record))

    def add_decoy(self, job: Job) -> None:
        """Somebody else's job; it is not kept, for it is there again at the next start."""
        self._jobs[job.id] = self._open[job.id] = job

    def finish(self, job: Job, results: Results, files: Iterable[File]) -> None:
        """The job is over and its results can be fetched."""
        self.results[job.id] = results
        self.files |= {file.id: file for file in files if file.id not in self._gone}
        self._open.pop(job.id, None)

    def job(self, vendor: str, name: str, now_us: int) -> Job | None:
        """One that can be seen."""
        found = self._jobs.get(name)
        return found if found is not None and found.vendor == vendor and self._seen(found, now_us) else None

    def jobs(self, vendor: str, now_us: int) -> list[Job]:
        """All that can be seen, the newest first."""
        found = [job for job in self._jobs.values() if job.vendor == vendor and self._seen(job, now_us)]
        return sorted(found, key=lambda job: job.created_us, reverse=True)

    def running(self, job: Job, now_us: int) -> bool:
        """Can it still be cancelled?"""
        return self.phase(job, now_us) in {"validating", "working", "finalizing"}

    async def cancel(self, job: Job, now_us: int) -> None:
        """End it soon."""
        await self.keep(Cancelled(job.id, now_us))

    def made(self) -> list[Job]:
        """Every job that a client made, in the order they were made."""
        return [job for job in self._jobs.values() if not job.foreign]

    def due(self, now_us: int) -> list[Job]:
        """Jobs that are over and have no results yet."""
        return [job for job in self._open.values() if self.over_us(job) <= now_us]

    def drawn(self, lines_digest: str) -> tuple[str, float]:
        """(what seeds the chances of a new job with these lines, how long it takes in seconds)."""
        again = sum(job.draw.startswith(lines_digest) for job in self._jobs.values())
        draw = f"{lines_digest}-{again}"
        spread = chance_of(self._seed, "duration", draw).lognormvariate(0, self._table.sigma)
        return draw, self._table.duration_s * spread

    def over_us(self, job: Job) -> int:
        """When it is over."""
        if job.problems:
            over_s = job.duration_s * VALIDATED
        elif job.cancelled_us is not None:
            over_s = (job.cancelled_us - job.created_us) / 1e6 + job.duration_s * VALIDATED
        else:
            over_s = min(job.duration_s, self._table.window_s)
        return job.created_us + round(over_s * 1e6)

    def expires_us(self, job: Job) -> int:
        """When its window closes."""
        return job.created_us + round(self._table.window_s * 1e6)

    def done(self, job: Job, now_us: int) -> int:
        """How many of its lines are done by then."""
        if job.problems:
            return 0
        until_us = min(now_us, self.expires_us(job), job.cancelled_us or now_us)
        if job.duration_s <= 0:
            return len(job.lines)
        share = ((until_us - job.created_us) / 1e6 / job.duration_s - VALIDATED) / (WORKED - VALIDATED)
        return int(len(job.lines) * min(1.0, max(0.0, share)))

    def phase(self, job: Job, now_us: int) -> Phase:
        """What it does."""
        results = self.results.get(job.id)
        if results is not None:
            if job.problems:
                return "failed"
            if job.cancelled_us is not None:
                return "cancelled"
            return "expired" if results.count("expired") else "ended"
        if job.cancelled_us is not None:
            return "cancelling"
        past_s = (now_us - job.created_us) / 1e6
        if past_s < job.duration_s * VALIDATED:
            return "validating"
        return "working" if past_s < job.duration_s * WORKED else "finalizing"

    def _seen(self, job: Job, now_us: int) -> bool:
        return job.foreign or now_us - job.created_us >= self._table.lag_s * 1e6

    def _apply(self, record: Job | File | Cancelled | Gone) -> None:
        match record:
            case Job():
                self._jobs[record.id] = self._open[record.id] = record
            case File():
                self.files[record.id] = record
            case Cancelled():
                self._jobs[record.job].cancelled_us = record.at_us
            case Gone():
                self._gone.add(record.file)
                self.files.pop(record.file, None)

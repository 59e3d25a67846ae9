"""Where requests about jobs arrive: which vendor's API is meant, creations, and the work that has come due.

A job's work is done when the next request of any kind arrives after its end (or at `close`), all at once: its lines are
answered, then billed, and only then can anybody see that it has ended.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from msgspec import Struct
from msgspec.structs import replace

from packmule.core.ports import Clock
from packmule.sim.asked import Refused
from packmule.sim.bill import Bill
from packmule.sim.faults import Draw
from packmule.sim.jobs import Draft, File, Job, JobRefused, JobRequest, JobStore, Problem, Results, Routes, Told
from packmule.sim.jobs_anthropic import AnthropicJobs
from packmule.sim.jobs_gemini import GeminiJobs
from packmule.sim.jobs_openai import OpenAIJobs
from packmule.sim.jobs_work import JobWork
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Wire, encoded
from packmule.sim.work import Work

_POISON = "A request of this batch cannot be processed."


class JobsApi(Protocol):
    """One vendor's batch API. `partial`: a job that expires hands out what was done; `in_order`: it never reorders."""

    prefix: str
    partial: bool
    in_order: bool
    routes: Routes
    wire: Wire

    def draft(self, request: JobRequest) -> Draft:
        """Read a creation. Raises JobRefused."""
        ...

    def refuse(self, problems: list[Problem]) -> list[Problem]:
        """What a job fails for; raises JobRefused where it is not even made."""
        ...

    async def answer(self, verb: str, request: JobRequest, now_us: int) -> Told:
        """Everything but a creation. Raises JobRefused."""
        ...

    def show(self, job: Job, request: JobRequest, now_us: int) -> Told:
        """A job as this vendor shows it."""
        ...

    def files(self, job: Job, results: Results) -> Iterable[File]:
        """The files that come out of a job."""
        ...

    def decoy(self, number: int, size: int) -> Draft:
        """A job that somebody else made."""
        ...


class Found(Struct, frozen=True):
    """A request about jobs: whose API, what it wants, and the name in its path."""

    api: JobsApi
    verb: str
    name: str


class JobsDesk:
    """All batch jobs of one provider. With a `kept` file they are there again after a restart."""

    def __init__(
        self, scenario: Scenario, clock: Clock, bill: Bill, wires: tuple[Wire, Wire, Wire], kept: Path | None
    ) -> None:
        self.store = JobStore(scenario, kept)
        self._table = scenario.jobs
        self._clock = clock
        # Jobs outlive processes, so their times are UTC; between two requests the monotonic clock counts.
        self._began = clock.utc_us(), clock.now_s()
        self._bill = bill
        self._work = JobWork(scenario, Work(scenario), Draw(scenario))
        openai, anthropic, gemini = wires
        # OpenAI's paths are the shortest: they come last.
        self._apis: tuple[JobsApi, ...] = (
            AnthropicJobs(anthropic, self.store),
            GeminiJobs(gemini, self.store),
            OpenAIJobs(openai, self.store),
        )
        self._turn = asyncio.Lock()
        for api in self._apis:
            for number, size in enumerate(scenario.jobs.decoys):
                self._place_decoy(api, number, size)

    def find(self, method: str, path: str, headers: Mapping[str, str]) -> Found | None:
        """The request that a path without its query means, None when it is not about jobs."""
        # /v1/batches is Gemini's as well as OpenAI's: the key's header tells whose it is.
        others = "gemini" if path.startswith("/v1/batches") and "x-goog-api-key" not in headers else ""
        for api in self._apis:
            if api.wire.name == others:
                continue
            for wanted, pattern, verb in api.routes:
                if method == wanted and (match := pattern.search(path)):
                    return Found(api, verb, match[1] if match.groups() else "")
        return None

    async def answer(self, found: Found, query: str, headers: dict[str, str], body: bytes, mark: str) -> Told | Refused:
        """Do it."""
        request = JobRequest(found.name, dict(parse_qsl(query)), headers, body, mark)
        try:
            if found.verb == "create":
                return await self._create(found.api, request)
            return await found.api.answer(found.verb, request, self._now_us())
        except JobRefused as refused:
            return Refused(refused.status, str(refused), refused.param)

    def trouble(self, found: Found, chance: random.Random) -> str | None:
        """`refused` before a job is made, `lost` when nobody hears that it was, `cut` when results break off."""
        drawn = chance.random()
        if found.verb == "create":
            if drawn < self._table.create_refused:
                return "refused"
            return "lost" if chance.random() < self._table.create_lost else None
        return "cut" if drawn < self._table.cut_downloads else None

    async def catch_up(self) -> None:
        """Finish every job that is over. Not stopped by the end of the request that asked for it."""
        if self.store.due(self._now_us()):
            await asyncio.shield(self._finish_due())

    async def close(self) -> None:
        """Finish what is over, and the file."""
        await self.catch_up()
        async with self._turn:
            self.store.close()

    async def _create(self, api: JobsApi, request: JobRequest) -> Told:
        draft = api.draft(request)
        problems = draft.problems or self._poisoned(api, draft)
        if problems and self._table.bad_line == "refuse":
            raise JobRefused(400, _POISON)
        if problems and self._table.bad_line == "anonymous":
            problems = [replace(problems[0], line=None, param=None, message=_POISON)]
        problems = api.refuse(problems) if problems else []
        job = self._job(api, draft, request.mark, problems)
        await self.store.keep(job)
        return api.show(job, request, job.created_us)

    def _poisoned(self, api: JobsApi, draft: Draft) -> list[Problem]:
        """Lines that are never answered, where they are not just their own failures."""
        if self._table.bad_line == "line":
            return []
        lines = enumerate(draft.lines)
        return [Problem(_POISON, line=n) for n, line in lines if self._work.poisoned(api.wire, draft.model, line)]

    def _job(self, api: JobsApi, draft: Draft, mark: str, problems: list[Problem]) -> Job:
        digest = sha256(b"\n".join(encoded([line.custom_id, line.body]) for line in draft.lines)).hexdigest()
        draw, duration_s = self.store.drawn(digest)
        name = self.store.new_id(api.prefix, mark)
        return Job(
            name, api.wire.name, draft.model, draft.lines, self._now_us(), duration_s, draw, draft.settings, problems
        )

    def _place_decoy(self, api: JobsApi, number: int, size: int) -> None:
        job = self._job(api, api.decoy(number, size), sha256(f"decoy{number}".encode()).hexdigest(), [])
        job.foreign = True
        self.store.add_decoy(job)

    async def _finish_due(self) -> None:
        async with self._turn:
            for job in self.store.due(self._now_us()):
                api = next(api for api in self._apis if api.wire.name == job.vendor)
                await self._finish(api, job)

    async def _finish(self, api: JobsApi, job: Job) -> None:
        ended_us = self.store.over_us(job)
        reached = self.store.done(job, ended_us)
        if not api.partial and job.cancelled_us is None and reached < len(job.lines):
            reached = 0
        ends = [] if job.problems else self._work.ends(job, api.wire, reached, ended_us)
        # What was billed before the provider's own process ended is not billed again.
        lines = [end.billed for end in ends if end.billed is not None]
        await self._bill.record(*(line for line in lines if (line.job, line.custom_id) not in self._bill.paid))
        rows = [end.row for end in ends]
        results = Results(rows, self._work.told(job, rows, in_order=api.in_order), ended_us)
        self.store.finish(job, results, api.files(job, results))

    def _now_us(self) -> int:
        utc_us, began_s = self._began
        return utc_us + round((self._clock.now_s() - began_s) * 1e6)

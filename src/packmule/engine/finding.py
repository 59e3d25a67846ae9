"""Looking for a job whose making ended in the dark: adopt it, or prove that there is none.

A listing that fails is no listing. Absence counts only at the end of a quarantine, because lists lag behind. Where a
provider keeps no marker of ours, a job that could be ours is held until its results show our custom ids; one that we
did not prove ours is never cancelled, never deleted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path

from packmule.core.calls import Fault
from packmule.core.jobs import JobSeen, line_of
from packmule.engine.job import Job
from packmule.engine.world import World

QUARANTINE_S = (0.0, 60.0, 300.0, 900.0)
"""When to look, in seconds after the job was intended."""
BEFORE_S = 300.0
AGAIN_S = 15.0
ROWS_READ = 20


class Left(Exception):
    """The session ends; the job goes on at its provider."""


class Search:
    """For one job. `known` are the ids that are other jobs of ours.

    `rests` waits, and says False when we leave; `trouble` tells what keeps the job waiting.
    """

    def __init__(
        self,
        job: Job,
        world: World,
        known: Callable[[], set[str]],
        rests: Callable[[float], Awaitable[bool]],
        scratch: Path,
        trouble: Callable[[Job, str], None],
    ) -> None:
        self._job = job
        self._world = world
        self._known = known
        self._rests = rests
        self._scratch = scratch
        self._trouble = trouble
        self._foreign: set[str] = set()

    async def run(self) -> JobSeen | None:
        """The job, or None when the provider has none of ours. Raises Left when the session ends first."""
        began_s = self._job.intended_us / 1e6
        for wait_s in QUARANTINE_S:
            await self._until(began_s + wait_s)
            found = await self._look(began_s - BEFORE_S)
            if found is not None:
                return found
        return None

    async def _look(self, since_s: float) -> JobSeen | None:
        """One good listing, however often it takes."""
        while True:
            seen = await self._job.face.jobs(since_s)
            if isinstance(seen, Fault):
                self._trouble(self._job, f"cannot look for the job: {seen.message}")
                await self._wait(AGAIN_S)
            elif self._job.face.limits.marked:
                return next((job for job in seen if job.marker == self._job.marker), None)
            else:
                candidates = self._candidates(seen)
                found = await self._proved(candidates)
                if found is not None or not any(job.state == "running" for job in candidates):
                    return found
                await self._wait(AGAIN_S)

    def _candidates(self, seen: list[JobSeen]) -> list[JobSeen]:
        known = self._known() | self._foreign
        return [job for job in seen if job.id not in known and job.requests in {None, self._job.requests}]

    async def _proved(self, candidates: list[JobSeen]) -> JobSeen | None:
        for job in candidates:
            if job.state == "running":
                continue
            if await self._job.face.fetch(job, self._scratch) is not None:
                continue
            rows = list(islice(self._job.face.rows(self._scratch), ROWS_READ))
            if any(line_of(self._job.marker, row.custom_id) is not None for row in rows):
                return job
            self._foreign.add(job.id)
        return None

    async def _until(self, utc_s: float) -> None:
        wait_s = utc_s - self._world.clock.utc_us() / 1e6
        if wait_s > 0:
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        if not await self._rests(wait_s):
            raise Left

"""Drives one job through its life: intend, upload, create, poll, fetch, read. Everything durable, nothing twice.

A job is never lost and never made twice. Its intent, with every attempt in it held, is durable before it leaves; its
id is durable as soon as it is known. Where making it ended in the dark, or its session died there, the provider's list
is searched (`finding`). A failing poll says nothing of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from packmule.core.calls import Answer, Fault
from packmule.core.jobs import JobRow, JobSeen, line_of
from packmule.core.ports import Journal
from packmule.core.retry import ACTIONS, gate_wait_s
from packmule.engine.finding import Left, Search
from packmule.engine.job import Job, Line
from packmule.engine.recorder import Recorder
from packmule.engine.settling import Owner, Settling
from packmule.engine.tap import Tap
from packmule.engine.world import World

POLL_FIRST_S = 1.0
POLL_GROWTH = 1.3
POLL_MAX_S = 60.0
PAGE = 500
GONE_POLLS = 5
GONE_S = 60.0
"""A job that cannot be seen is gone after so many polls in a row, and not while it is young: lists lag."""
QUEUE_WAIT_S = 120.0
_QUEUE_FULL = "token_limit_exceeded"  # OpenAI: more input tokens in open jobs than the account may have
LATE = (50, 80)
"""Per cent of the time for which results are kept, after which it is said."""


class Driver:
    """For all jobs of a session. `land` settles a line.

    `leaving` is set when the session ends; `cancelling` when the providers are to end their jobs.
    """

    def __init__(
        self,
        tap: Tap,
        recorder: Recorder,
        world: World,
        owner: Owner,
        settling: Settling,
        journal: Journal,
        batch: int,
        *,
        land: Callable[[Job, Line, Answer | Fault], None],
    ) -> None:
        self._tap = tap
        self._recorder = recorder
        self._world = world
        self._owner = owner
        self._settling = settling
        self._journal = journal
        self._batch = batch
        self._land = land
        self._loop = asyncio.get_running_loop()
        self._cohorts = 0
        self.leaving = asyncio.Event()
        self.cancelling = False

    async def carry(self, job: Job) -> None:
        """From wherever it stands to its end. Raises Left when the session ends first."""
        if job.fresh and not await self._make(job):
            return
        if job.remote is None and not await self._find(job):
            self._never(job, "the job never reached its provider")
            return
        seen = await self._watch(job)
        if seen is None:
            self._gone(job)
        elif seen.state == "failed":
            self._refused(job, seen)
        else:
            await self._ingest(job, seen)

    async def _make(self, job: Job) -> bool:
        """Intend, upload, create. False when the job is over with that."""
        gone = [waiting for waiting in job.waitings if waiting.abandoned]
        digest = job.seal()
        for waiting in gone:
            self._settling.give_back(waiting)
        if not job.lines:
            return False
        job.intended_us = self._world.clock.utc_us()
        for n, line in job.lines.items():
            assert line.waiting is not None
            self._settling.intend(line.waiting, (job.marker, n))
        row = (job.marker, self._batch, job.endpoint.model, job.requests, digest, job.intended_us)
        self._recorder.group.statements.append(("add_job", row))
        await self._recorder.durable()
        for waiting in job.waitings:
            waiting.started_s = self._world.clock.now_s()
        if self._tap.closed:
            self._never(job, "stopped before it was sent")
            return False
        if job.face.limits.uploads and not await self._upload(job):
            return False
        return await self._create(job)

    async def _upload(self, job: Job) -> bool:
        tries = 0
        while isinstance(got := await job.face.upload(job.marker, job.body), Fault):
            tries += 1
            if not await self._may_try_again(job, got, tries):
                return False
        job.file = got
        self.move(job, "upload")
        await self._recorder.durable()
        return True

    async def _create(self, job: Job) -> bool:
        tries = 0
        while isinstance(got := await job.face.create(job.marker, job.body, job.file), Fault):
            tries += 1
            if got.outcome == "unknown":
                # Made or not: only the provider's list can tell. `_carry` looks.
                self._trouble(job, got.message)
                return True
            if not await self._may_try_again(job, got, tries):
                return False
        self._has_id(job, got)
        await self._recorder.durable()
        return True

    def _has_id(self, job: Job, seen: JobSeen) -> None:
        job.remote, job.body, job.trouble = seen.id, b"", ""
        self.move(job, "submit")

    async def _may_try_again(self, job: Job, fault: Fault, tries: int) -> bool:
        """Nothing was made. Wait and say True, or end the job and say False."""
        self._trouble(job, fault.message)
        action = ACTIONS[fault.kind]
        if action == "halt":
            bucket = self._tap.bucket(job.endpoint)
            bucket.halted = fault.message
            self._never(job, fault.message)
            self._owner.on_halt(bucket, fault)
            return False
        if action == "fail":
            self._refused(job, JobSeen("", "failed", message=fault.message))
            return False
        if await self._rests(gate_wait_s(fault, tries, self._world.rng.random())) and not self._tap.closed:
            return True
        self._never(job, "stopped before it was sent")
        return False

    async def _find(self, job: Job) -> bool:
        """Its making ended in the dark: look for it at the provider."""
        if job.state == "intended" and job.face.limits.uploads:
            # Making comes after the upload, and of that nothing is known.
            return False
        search = Search(job, self._world, self._journal.known_remotes, self._rests, self._scratch(job), self._trouble)
        seen = await search.run()
        if seen is None:
            return False
        self._has_id(job, seen)
        await self._recorder.durable()
        return True

    async def _watch(self, job: Job) -> JobSeen | None:
        """Poll until the provider is done with it; None when it says again and again that it knows no such job."""
        assert job.remote is not None
        wait_s, asked, unseen = POLL_FIRST_S, False, 0
        while True:
            if self.cancelling and not asked:
                asked = not isinstance(await job.face.cancel(job.remote), Fault)
            got = await job.face.poll(job.remote)
            if isinstance(got, Fault):
                self._trouble(job, got.message)
                unseen = unseen + 1 if got.status == HTTPStatus.NOT_FOUND else 0
                if unseen >= GONE_POLLS and self._world.clock.utc_us() - job.intended_us >= GONE_S * 1e6:
                    return None
                if ACTIONS[got.kind] == "halt":
                    self._owner.on_halt(self._tap.bucket(job.endpoint), got)
            else:
                job.trouble, unseen = "", 0
                if got.state != "running":
                    return got
            self._warn(job)
            await self._rest(wait_s)
            wait_s = min(POLL_MAX_S, wait_s * POLL_GROWTH)

    async def _ingest(self, job: Job, seen: JobSeen) -> None:
        path = self._scratch(job)
        tries = 0
        while (fault := await job.face.fetch(seen, path)) is not None:
            tries += 1
            self._trouble(job, fault.message)
            self._warn(job)
            await self._rest(gate_wait_s(fault, tries, self._world.rng.random()))
        job.trouble = ""
        if job.state == "submitted":
            self.move(job, {"cancelled": "cancel", "expired": "expire"}.get(seen.state, "end"))
        await self._read(job, seen, path)
        self.move(job, "ingest")
        await self._recorder.durable()
        path.unlink(missing_ok=True)

    async def _read(self, job: Job, seen: JobSeen, path: Path) -> None:
        """Rows in any order, each once; what is missing is told apart from what is unbilled."""
        left, foreign = dict(job.lines), 0
        for n, row in enumerate(job.face.rows(path), 1):
            place = line_of(job.marker, row.custom_id)
            line = None if place is None else left.pop(place, None)
            if line is not None:
                self._land(job, line, _outcome(job, row, raw=self._world.limits.keep_raw))
            elif place is None or not 0 <= place < job.requests:
                foreign += 1
            if n % PAGE == 0:
                await self._recorder.durable()
        if foreign:
            self._owner.note("foreign", {"job": job.marker, "reason": f"{foreign} rows of its results are not ours"})
        if seen.state in {"cancelled", "expired"}:
            missing = Fault("stopped", "rejected", f"its job was {seen.state} before it was done")
        else:
            missing = Fault("cut", "unknown", "the results of its job hold no row for it")
        for line in left.values():
            self._land(job, line, missing)

    def _never(self, job: Job, why: str) -> None:
        """Nothing of it was done: every call goes back."""
        self.move(job, "fail", why)
        for line in job.lines.values():
            self._land(job, line, Fault("stopped", "not_sent", why))

    def _gone(self, job: Job) -> None:
        """Deleted there, or never kept: whatever it did may be billed, and nobody will see it."""
        why = "the provider knows no such job any more"
        self.move(job, "fail", why)
        for line in job.lines.values():
            self._land(job, line, Fault("cut", "unknown", why))

    def _refused(self, job: Job, seen: JobSeen) -> None:
        """Nothing was done because of something in it: the bad lines fail, or the job is split until they are found."""
        self.move(job, "fail", seen.message)
        if seen.message.startswith(_QUEUE_FULL):
            self._tap.bucket(job.endpoint).pace.gate(
                self._world.clock.now_s() + QUEUE_WAIT_S, "the provider's queue is full"
            )
            for line in job.lines.values():
                self._land(job, line, Fault("stopped", "rejected", seen.message))
            return
        bad = {n for n in seen.bad_lines if n in job.lines} or (set(job.lines) if len(job.lines) == 1 else set())
        rest = [line for n, line in job.lines.items() if n not in bad]
        half = len(rest) if bad else (len(rest) + 1) // 2
        for part in (rest[:half], rest[half:]):
            self._cohorts += 1
            for line in part:
                if line.waiting is not None:
                    line.waiting.cohort = self._cohorts
                self._land(job, line, Fault("stopped", "rejected", f"its job was refused: {seen.message}"))
        for n in bad:
            self._land(job, job.lines[n], Fault("invalid_request", "rejected", seen.message))

    def move(self, job: Job, event: str, detail: str = "") -> None:
        """By the table, for the record."""
        job.move(event)
        at = self._world.clock.utc_us()
        values: dict[str, Any] = {
            "state": job.state,
            "file": job.file,
            "remote": job.remote,
            "detail": detail,
            "at": at,
        }
        self._recorder.group.statements.append(("move_job", {**values, "marker": job.marker}))
        said = {"job": job.marker, "state": job.state, "calls": job.requests, "reason": detail}
        self._owner.note("job", {**said, "remote": job.remote or ""})

    def _trouble(self, job: Job, message: str) -> None:
        """Something keeps it waiting: said once, as long as it is the same."""
        if message != job.trouble:
            job.trouble = message
            self._owner.note("job", {"job": job.marker, "state": job.state, "calls": job.requests, "reason": message})

    def _warn(self, job: Job) -> None:
        """Results are kept for so long only."""
        kept_us = job.face.limits.retention_s * 1e6
        share = (self._world.clock.utc_us() - job.intended_us) * 100 / kept_us
        reached = max((mark for mark in LATE if share >= mark), default=0)
        if reached > job.warned:
            job.warned = reached
            said = f"{reached} % of the time for which its results are kept is over"
            self._owner.note("retention", {"job": job.marker, "reason": said})

    async def _rests(self, wait_s: float) -> bool:
        """Wait; False as soon as the session ends."""
        sleep = self._loop.create_task(self._world.clock.sleep(wait_s))
        leave = self._loop.create_task(self.leaving.wait())
        try:
            await asyncio.wait((sleep, leave), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            leave.cancel()
        return not self.leaving.is_set()

    async def _rest(self, wait_s: float) -> None:
        if not await self._rests(wait_s):
            raise Left

    def _scratch(self, job: Job) -> Path:
        self._world.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._world.scratch / f"{job.marker}.results"


def _outcome(job: Job, row: JobRow, *, raw: bool) -> Answer | Fault:
    if row.received is None:
        return Fault("stopped", "rejected", row.unbilled or "the provider did not do it")
    outcome = job.endpoint.decode(row.received)
    if raw and isinstance(outcome, Answer):
        return replace(outcome, raw=row.received.body.decode("utf-8", "replace"))
    if isinstance(outcome, Fault) and row.received.status // 100 != 2:  # noqa: PLR2004 - the class of successes
        # A line that failed in a job is not billed, whatever its status says of a single request.
        return Fault(outcome.kind, "rejected", outcome.message, outcome.status, body=outcome.body)
    return outcome

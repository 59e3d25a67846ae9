"""Jobs carry attempts in batches of the provider's own: the board that collects calls and knows which job has which.

When the session ends, jobs go on at the provider; the next one takes them up, and recipes that ask again find their
attempts in them. What came out of a job before its recipe asked again is paid, kept, and judged once it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

from packmule.core.calls import Answer, Fault
from packmule.core.ports import Journal
from packmule.core.rows import AttemptRow
from packmule.engine.driving import Driver
from packmule.engine.finding import Left
from packmule.engine.item_run import ItemRun
from packmule.engine.job import Job, Line
from packmule.engine.recorder import Recorder
from packmule.engine.settling import Owner, Settling
from packmule.engine.tap import Tap
from packmule.engine.waiting import Waiting
from packmule.engine.world import World, jobs_price

CLOSING = {"intended": ("fail",), "uploaded": ("fail",), "submitted": ("end", "ingest")}
CLOSING |= dict.fromkeys(("ended", "cancelled", "expired"), ("ingest",))


class Jobs:
    """All jobs of a session. `runs` finds the live item of a seq."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tap: Tap,
        recorder: Recorder,
        world: World,
        owner: Owner,
        settling: Settling,
        journal: Journal,
        ids: tuple[int, int],
        runs: Callable[[int], ItemRun | None],
    ) -> None:
        self._tasks = tasks
        self._tap = tap
        self._recorder = recorder
        self._world = world
        self._owner = owner
        self._settling = settling
        self._journal = journal
        self._ids = ids
        self._made = 0
        self._runs = runs
        self._loop = asyncio.get_running_loop()
        self._collecting: dict[tuple[str, int], Job] = {}
        self._timers: dict[tuple[str, int], asyncio.TimerHandle] = {}
        self._driving: dict[str, Job] = {}
        self._begun: set[asyncio.Task[None]] = set()
        self._places: dict[tuple[int, int, int], Line] = {}
        self._landed: dict[tuple[int, int, int], AttemptRow] = {}
        self._scheduled = self._closed = False
        parts = (tap, recorder, world, owner, settling, journal, ids[0])
        self._driver = Driver(*parts, land=self._land)

    # What the runner calls

    def take_up(self) -> None:
        """Go on with the jobs of earlier sessions."""
        for record in self._journal.open_jobs():
            endpoint = self._world.endpoint(record.model)
            face = endpoint.jobs()
            assert face is not None, f"{record.model} had jobs, and has none now"
            job = Job.of_record(record, self._journal.held_lines(record.marker), endpoint, face)
            if not job.lines:
                # Its last session died between its last row and its last word.
                for event in CLOSING[job.state]:
                    self._driver.move(job, event)
                continue
            for line in job.lines.values():
                assert line.held is not None
                self._places[line.held.seq, line.held.number, line.held.nth] = line
            self._tap.in_flight += len(job.lines)
            self._start(job)

    def brought_up(self, seq: int, attempts: list[AttemptRow]) -> list[AttemptRow]:
        """An item's attempts, with those that landed in this session as they are now."""
        return [self._landed.pop((seq, attempt.number, attempt.nth), attempt) for attempt in attempts]

    def attach(self, waiting: Waiting) -> None:
        """A recipe asks again for a call whose attempt lies in a job."""
        assert waiting.found is not None
        found = waiting.found
        line = self._places[waiting.run.seq, found.number, found.nth]
        waiting.aim(self._world.endpoint(found.model))
        waiting.price, waiting.worst, waiting.held = jobs_price(waiting.endpoint), found.worst, found.worst
        age_s = (self._world.clock.utc_us() - found.started_at) / 1e6
        waiting.started_s = self._world.clock.now_s() - max(0.0, age_s)
        self._tap.bucket(waiting.endpoint).pace.take(0)
        line.waiting = waiting
        waiting.run.change("ask")

    def room(self, waiting: Waiting) -> bool:
        """Is there a job for this call, or may there be one more?"""
        job = self._collecting.get((waiting.endpoint.model, waiting.cohort))
        if job is not None and job.takes(len(waiting.body), self._world.limits.items_per_job):
            return True
        return len(self._driving) + len(self._collecting) < self._world.limits.max_parallel_jobs

    def wake(self) -> None:
        """Something changed: look at the tap once this loop turn is over."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def leave(self) -> None:
        """Nothing new; jobs that the provider has go on there without us."""
        self._driver.leaving.set()
        for job in self._collecting.values():
            for waiting in job.waitings:
                self._settling.give_back(waiting)
        self._collecting.clear()

    def cancel(self) -> None:
        """Ask the providers to end all jobs, and wait for their word."""
        self._driver.cancelling = True

    def drop(self) -> None:
        """Stop now: a job that is just being made is looked for by the next session."""
        self.leave()
        for task in list(self._begun):
            task.cancel()

    def close(self) -> None:
        """No more jobs."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()

    @property
    def states(self) -> list[Job]:
        """Jobs that are being collected or driven, for the live row."""
        return [*self._driving.values(), *self._collecting.values()]

    # Collecting

    def _pump(self) -> None:
        self._scheduled = False
        try:
            while (waiting := self._tap.next()) is not None:
                if waiting.blocked:
                    self._owner.on_blocked(waiting)
                else:
                    self._collect(waiting)
            if self._tap.broke:
                self._owner.on_broke()
            if self._tap.wake_s is not None and not self._closed:
                wait_s = max(0.0, self._tap.wake_s - self._world.clock.now_s())
                self._timer(("", 0), wait_s * self._world.pace + 0.001, self.wake)
        except Exception as error:  # noqa: BLE001 - a callback of the loop: nobody else would see it
            self._owner.on_crash(error)

    def _timer(self, name: tuple[str, int], wait_s: float, call: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(wait_s, call)

    def _collect(self, waiting: Waiting) -> None:
        name = (waiting.endpoint.model, waiting.cohort)
        most = self._world.limits.items_per_job
        waiting.run.on_way += 1
        job = self._collecting.get(name)
        if job is not None and not job.takes(len(waiting.body), most):
            self._seal(name)
            job = None
        if job is None:
            face = waiting.endpoint.jobs()
            assert face is not None, f"{waiting.endpoint.model} has no jobs"
            job = self._collecting[name] = Job(self._marker(), waiting.endpoint, face, waiting.cohort)
        job.put(waiting)
        if len(job.lines) >= min(most, job.face.limits.requests):
            self._seal(name)
        else:
            self._linger(name)

    def _marker(self) -> str:
        """Never used before: no other batch has this id, no other session this epoch."""
        self._made += 1
        batch, epoch = self._ids
        return "pm" + sha256(f"{self._world.batch_id}:{batch}:{epoch}:{self._made}".encode()).hexdigest()[:18]

    def _linger(self, name: tuple[str, int]) -> None:
        self._timer(name, self._world.limits.job_linger_s * self._world.pace, lambda: self._lingered(name))

    def _lingered(self, name: tuple[str, int]) -> None:
        """Nobody came. Near the cap it waits for the money that other jobs will free: few jobs instead of many."""
        if self._tap.poor and self._driving:
            self._linger(name)
        else:
            self._seal(name)

    def _seal(self, name: tuple[str, int]) -> None:
        """The job is as full as it gets."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        job = self._collecting.pop(name, None)
        if job is not None and not self._closed:
            self._start(job)

    def _start(self, job: Job) -> None:
        self._driving[job.marker] = job
        task = self._tasks.create_task(self._drive(job))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    # A job's life

    async def _drive(self, job: Job) -> None:
        try:
            await self._driver.carry(job)
        except (Left, asyncio.CancelledError):
            self._let_go(job)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the run ends with it
            self._owner.on_crash(error)
        finally:
            del self._driving[job.marker]
            self.wake()

    def _land(self, job: Job, line: Line, outcome: Answer | Fault) -> None:
        if line.waiting is not None:
            self._settling.end(line.waiting, outcome)
            return
        held = line.held
        assert held is not None
        attempt = self._settling.end_unasked(held, job.endpoint.model, outcome, jobs_price(job.endpoint))
        run = self._runs(held.seq)
        if run is not None and run.loaded:
            run.landed_unasked(attempt)
        else:
            self._landed[held.seq, held.number, held.nth] = attempt

    def _let_go(self, job: Job) -> None:
        """Its calls stay held; nobody here waits for them any more."""
        for line in job.lines.values():
            run = line.waiting.run if line.waiting is not None else self._runs(line.held.seq if line.held else -1)
            if run is not None and (line.waiting is not None or run.loaded):
                run.on_way -= 1
                self._owner.on_detached(run)

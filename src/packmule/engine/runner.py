"""The runner: holds a batch's lease and drives it to an ending.

Items are live in tasks, attempts in lanes, both in one task group. Whatever steers it is a wish in the store or a
call of `stop`, `pause`, `unpause` on its loop. It ends when every item is final, when only money is missing, when a
person, a signal or a provider says so, or when the store or the lease is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from packmule.core.batch import Limits
from packmule.core.calls import Fault
from packmule.core.endings import Ending
from packmule.core.ledger import Ledger
from packmule.core.ports import Journal
from packmule.core.rows import AttemptRow, BatchRow, ItemRow
from packmule.core.states import BATCH, move
from packmule.engine import memory
from packmule.engine.ask import Ask
from packmule.engine.feeder import Feeder
from packmule.engine.item_run import ItemRun, read_answer
from packmule.engine.jobs import Jobs
from packmule.engine.lanes import Lanes
from packmule.engine.latches import Latches
from packmule.engine.monitor import Monitor
from packmule.engine.outcome import Refusals, outcome
from packmule.engine.recorder import Recorder
from packmule.engine.settling import Settling
from packmule.engine.tap import BucketState, Tap
from packmule.engine.verdicts import blocked, broke, overrun
from packmule.engine.vitals import Vitals
from packmule.engine.waiting import Ended, Waiting
from packmule.engine.world import ItemChange, World

GRACE_S = 30.0


class Runner:
    """Drives one batch once. Make it on the loop that it shall run on."""

    def __init__(
        self,
        journal: Journal,
        row: BatchRow,
        epoch: int,
        world: World,
        *,
        on_change: Callable[[ItemChange], None] | None = None,
        only: Sequence[int] | None = None,
        threaded: bool = True,
    ) -> None:
        self.journal, self.row, self.world = journal, row, world
        # The seqs that may begin, None for all: a pilot.
        self._only = only
        self.limits = world.limits
        self.state = row.state
        self.runs: dict[int, ItemRun] = {}
        self.stopping: Ending | None = None
        self.unused_calls = self.told = 0
        self.vitals = Vitals(world.clock.now_s())
        self.recorder = Recorder(journal, epoch, threaded=threaded)
        self.recorder.on_fatal = self.on_crash
        cap = self.limits.max_cost
        stops = self.limits.on_budget == "stop"
        # What is held at rest lies in jobs that go on at their provider.
        self.ledger = Ledger(cap, stops=stops, settled=row.settled, unknown=row.unknown, held=row.held)
        self.tap = Tap(self.ledger, self.limits, world.clock)
        self.tap.largest_item = journal.largest_item()
        self.settling: Settling
        self.lanes: Lanes
        self.jobs: Jobs
        self.monitor = Monitor(self)
        self.latches = Latches(self)
        self.recorder.on_trouble = self.latches.disk
        self.epoch = epoch
        self._on_change = on_change
        self._tasks: asyncio.TaskGroup
        self._over = asyncio.Event()
        self._fatal: BaseException | None = None
        self._refusals = Refusals()
        self._feeder = Feeder(self._fetch, self.limits.live_items)
        self._feeding = False

    # The run

    async def run(self) -> Ending:
        """Drive the batch to an ending. Raises LeaseLost when another runner took it over."""
        self.move("start", "")
        try:
            await self._drive_all()
        except BaseException:
            # A mistake of ours: what was paid is still written before it shows.
            await self.recorder.close(grace_s=2.0)
            raise
        if self._fatal is not None:
            await self.recorder.close(grace_s=2.0)
            raise self._fatal from None
        return await self._finish()

    async def _drive_all(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            ids, parts = (self.row.batch, self.epoch), (self.tap, self.recorder, self.world, self)
            self.settling = Settling(*parts, ids)
            self.lanes = Lanes(self._tasks, *parts, self.settling)
            self.jobs = Jobs(self._tasks, *parts, self.settling, self.journal, ids, self.runs.get)
            self.tap.room = self.jobs.room if self.limits.mode == "jobs" else None
            self.jobs.take_up()
            watch = self._tasks.create_task(self._watch())
            self._feed()
            try:
                await self._over.wait()
            except asyncio.CancelledError:
                # Whoever waited for this run has left: as if a person had dropped it.
                self.drop()
                raise
            self.lanes.close()
            self.jobs.close()
            watch.cancel()

    async def _watch(self) -> None:
        try:
            await self.monitor.watch()
        except Exception as error:  # noqa: BLE001 - raised again by `run`
            self.on_crash(error)

    async def _finish(self) -> Ending:
        partial = self._only is not None and len(self._only) < self.row.pending
        ending = self.stopping or (Ending("stopped", "pilot") if partial else Ending("completed", "done"))
        event = {"completed": "complete", "stopped": "stop", "cancelled": "cancel", "failed": "fail"}[ending.state]
        self.move(event, "" if ending.reason == "done" else ending.reason, ending.detail)
        if ending.state == "cancelled":
            self.recorder.group.statements += [
                ("cancel_items", (self.row.batch,)),
                ("cancel_totals", (self.row.batch,)),
            ]
        if self.unused_calls:
            self.note("unused", {"reason": f"{self.unused_calls} answered calls were not asked for again"})
        self.recorder.group.live_of = self.monitor.live
        saved = await self.recorder.close()
        return Ending(ending.state, ending.reason, ending.detail, saved=saved, unused_calls=self.unused_calls)

    def move(self, event: str, reason: str, detail: str = "") -> None:
        """By the table of batch states, for the record."""
        self.state = move(BATCH, self.state, event)
        now_us = self.world.clock.utc_us()
        ended = None if self.state in {"running", "paused"} else now_us
        group = self.recorder.group
        group.statements.append(("set_state", (self.state, reason, now_us, ended, self.row.batch)))
        self.note(self.state, {"reason": reason, "detail": detail})

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Something happened to the batch."""
        text = msgspec.json.encode(data).decode()
        self.recorder.group.events.append((self.row.batch, self.world.clock.utc_us(), kind, text))
        self.recorder.wake()

    # Steering

    def stop(self, ending: Ending) -> None:
        """Start nothing new; what is on its way finishes; unfinished items stay pending."""
        if self.stopping is not None:
            return
        self.stopping = ending
        self.tap.closed = ending.reason
        if ending.state == "cancelled" and self.jobs.states:
            # However long it takes: only the provider's word says what was done and is billed.
            self.jobs.cancel()
        else:
            self.monitor.drop_at_s = self.world.clock.now_s() + GRACE_S
            self.jobs.leave()
        for run in list(self.runs.values()):
            # One that has not read its journal yet may have an attempt in a job, and its answer.
            if run.on_way == 0 and not run.answered and run.loaded:
                run.close("stop", ending.reason)
        self._maybe_over()

    def drop(self) -> None:
        """Stop now: what is on its way is recorded as unknown."""
        if self.stopping is None:
            self.stop(Ending("stopped", "person"))
        self.lanes.drop()
        self.jobs.drop()

    def wake(self) -> None:
        """Something changed: whoever carries attempts in this mode looks at the tap."""
        (self.lanes if self.tap.room is None else self.jobs).wake()

    def relimit(self, limits: Limits) -> None:
        """Take other limits while running; the caller has recorded them."""
        self.limits = self.tap.limits = limits
        self.world.limits = limits
        self.ledger.cap, self.ledger.stops = limits.max_cost, limits.on_budget == "stop"
        self.tap.repace()
        self.wake()

    # Items

    def _fetch(self, begun: bool, after: int, limit: int) -> list[ItemRow]:  # noqa: FBT001 - the feeder's port
        return self.journal.pending(begun=begun, after=after, limit=limit, only=self._only)

    def _feed(self) -> None:
        self._feeding = False
        try:
            self._fill()
        except Exception as error:  # noqa: BLE001 - raised again by `run`
            self.on_crash(error)

    def _fill(self) -> None:
        while self.stopping is None and len(self.runs) < self.limits.live_items:
            row = self._feeder.next()
            if row is None:
                break
            run = self.runs[row.seq] = ItemRun(row, self.world, row.round)
            run.on_state = self._on_state
            run.on_note = self._on_note
            run.task = self._tasks.create_task(self._drive(run))
        self._maybe_over()

    async def _drive(self, run: ItemRun) -> None:
        run.started = True
        try:
            await self._carry(run)
        except Exception as error:  # noqa: BLE001 - a mistake of ours is not the item's failure; raised again by `run`
            self.on_crash(error)
        finally:
            run.let_go()

    async def _carry(self, run: ItemRun) -> None:
        if run.closing is not None:
            self._end_item(run, run.closing[0], None, run.closing[1])
            return
        if run.recorded:
            journal = self.journal.of_item(run.seq)
            run.load(msgspec.structs.replace(journal, attempts=self.jobs.brought_up(run.seq, journal.attempts)))
            self.tap.take_up(run)
        run.change("begin")
        try:
            event, output, reason = await outcome(self.world.recipe, run, Ask(run, self))
        except asyncio.CancelledError:
            event, output, reason = ("stop" if self.stopping else "fail"), None, "the recipe cancelled itself"
        run.over = True
        while run.on_way and self._fatal is None:
            # An item is final only when none of its attempts is held.
            run.landed = run.landed or asyncio.Event()
            with contextlib.suppress(asyncio.CancelledError):
                await run.landed.wait()
        if run.closing is not None:
            event, reason = run.closing
            output = None
        self._end_item(run, event, output, reason)

    def _end_item(self, run: ItemRun, event: str, output: bytes | None, reason: str) -> None:
        del self.runs[run.seq]
        self.tap.end_item(run.money.remaining, begun=run.begun, spent=run.money.spent)
        self.unused_calls += run.unused if event == "complete" else 0
        if event == "stop":
            if run.state != "pending":
                run.change("unwind")
        else:
            run.change(event, reason)
            self.vitals.ended(run, self.world.clock.now_s())
            self._record_end(run, output, reason)
            if run.state == "completed":
                self._refusals.succeeded = True
            elif run.state == "failed":
                systematic = self._refusals.count(reason)
                if systematic is not None:
                    self.stop(systematic)
        if not self._feeding and not self._feeder.dry and self.stopping is None:
            self._feeding = True
            asyncio.get_running_loop().call_soon(self._feed)
        elif not self.runs:
            self._maybe_over()
        self.wake()

    def _record_end(self, run: ItemRun, output: bytes | None, reason: str) -> None:
        group = self.recorder.group
        sums = (run.settled, run.tokens_in, run.tokens_out, run.attempts, run.latency_ms, run.model)
        group.item_ends.append(((run.state, output, reason or None, *sums), run.seq))
        group.counts["pending"] -= 1
        group.counts[run.state] += 1
        self.recorder.wake()

    def _maybe_over(self) -> None:
        if not self.runs and (self.stopping is not None or self._feeder.dry):
            self._over.set()

    def _on_state(self, run: ItemRun) -> None:
        self.told += 1
        if self._on_change is not None:
            self._on_change(ItemChange(run.seq, run.key, run.state, run.reason))

    def _on_note(self, run: ItemRun, name: str, data: bytes) -> None:
        # In the group before any later intent of this item; the item counts as begun, so that it is read back.
        self.recorder.group.notes.append((self.row.batch, run.seq, run.round, name, data))
        if not run.recorded:
            self.recorder.group.begun.append(run.seq)
            run.recorded = True
        self.recorder.wake()

    # What asks and lanes tell

    def send(self, waiting: Waiting) -> None:
        """An ask is on its way to the tap."""
        if self.stopping is not None and waiting.found is None:
            waiting.run.close("stop", self.stopping.reason)
            return
        if waiting.endpoint.model not in self.tap.buckets:
            memory.restore(self.tap.bucket(waiting.endpoint), self.journal, self.world.clock)
        if waiting.found is not None:
            self._take_up(waiting, waiting.found)
            return
        self.tap.put(waiting)
        self.wake()

    def _take_up(self, waiting: Waiting, found: AttemptRow) -> None:
        """Its attempt lies in a job, or came out of one when nobody asked."""
        if found.state == "held":
            self.jobs.attach(waiting)
        else:
            waiting.nth += 1
            self.settling.conclude(waiting, read_answer(found.answer or b""), found.cost or 0, found.model)

    def fail_call(self, waiting: Waiting, reason: str, kind: str) -> None:
        """An ask that may not be tried again."""
        self.settling.end_call(waiting, Ended("failed", reason=reason, kind=kind))

    def on_intent(self, run: ItemRun) -> None:
        """An item asks for the first time in this session."""
        run.since_s = self.world.clock.now_s()
        run.asked_s = self.vitals.time.at(run.since_s)

    def on_answer(self, latency_s: float) -> None:
        """A call was answered."""
        self.vitals.answered(latency_s)

    def on_attempt_end(self, waiting: Waiting) -> None:
        """An attempt landed."""
        self.monitor.watch_cap()
        if not waiting.future.done():
            self.on_detached(waiting.run)
        elif waiting.run.on_way == 0 and waiting.run.landed is not None:
            waiting.run.landed.set()

    def on_detached(self, run: ItemRun) -> None:
        """One attempt fewer of this item is waited for, and its call goes on."""
        if run.on_way == 0:
            if run.landed is not None:
                run.landed.set()
            if self.stopping is not None:
                run.close("stop", self.stopping.reason)

    def on_blocked(self, waiting: Waiting) -> None:
        """The item's own cap is reached."""
        waiting.run.close("block", blocked(waiting, self.limits.item_cap or 0))

    def on_broke(self) -> None:
        """Only money is missing, and nothing is on its way that could free some."""
        if any(run.begun and (run.answered or not run.waiting) for run in self.runs.values()):
            # A recipe that has its answer may finish, and free what it was promised.
            return
        self.stop(broke(self.tap))

    def on_halt(self, bucket: BucketState, fault: Fault) -> None:
        """The key or the purse: waiting does not help. Other models of the same calls take over where there are any."""
        waiting = [w for w in self.tap.waiting if w.endpoint is bucket.endpoint]
        if all(any(not self.tap.bucket(e).down for e in w.endpoints) for w in waiting) and waiting:
            self.note("halted", {"model": bucket.endpoint.model, "reason": fault.message})
            return
        self.stop(Ending("stopped", "auth", f"{bucket.endpoint.model}: {fault.message}"))

    def on_overrun(self, key: str, cost: int, worst: int) -> None:
        """The provider reported more than the bound: recorded as reported, and the batch stops."""
        self.stop(overrun(key, cost, worst))

    def on_bucket_change(self, bucket: BucketState) -> None:
        """Keep what the bucket learned."""
        self.recorder.group.buckets.append(memory.save(bucket, self.world.clock))
        self.recorder.wake()

    def on_crash(self, error: BaseException) -> None:
        """The lease is lost, or a mistake of ours: unwind, leave items pending; `run` raises `error`."""
        if self._fatal is not None:
            return
        self._fatal = error
        self.stopping = self.stopping or Ending("stopped", "crash", str(error))
        self.tap.closed = self.stopping.reason
        self.lanes.drop()
        self.jobs.drop()
        for run in list(self.runs.values()):
            run.close("stop", self.stopping.reason)
            if run.landed is not None:
                run.landed.set()
        self._over.set()

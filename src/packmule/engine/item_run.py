"""One item being driven: its journal, its money, what it is doing now, and how it will end.

The journal is read once, when the item starts, and only if it has rows. A call is found by (digest, nth ask of that
digest): calls of this round replay whatever their end, accepted calls of earlier rounds replay too.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import msgspec

from packmule.core.calls import Answer
from packmule.core.items import Item, NoteFn
from packmule.core.ledger import ItemMoney
from packmule.core.retry import SPENDING
from packmule.core.rows import AttemptRow, CallRow, ItemJournal, ItemRow
from packmule.core.states import ITEM, ITEM_FINAL, move
from packmule.engine.waiting import Ended, Waiting
from packmule.engine.world import World
from packmule.errors import UsageError

read_answer = msgspec.json.Decoder(Answer).decode


class ItemRun:
    """Everything the engine knows of a live item. `closing` is why its recipe is being unwound."""

    def __init__(self, row: ItemRow, world: World, round_: int) -> None:
        self.seq = row.seq
        self.key = row.key
        self.world = world
        self.round = round_
        self.begun = self.begun_now = False
        self.recorded = row.begun
        self.calls_left: int | None = getattr(world.recipe, "calls_max", None)
        self.money = ItemMoney()
        self.state = "pending"
        self.reason = ""
        self.since_s = world.clock.now_s()
        # When it first asked in this session, in active seconds; None while all it did was replayed.
        self.asked_s: float | None = None
        self.closing: tuple[str, str] | None = None
        self.started = self.over = False
        # An item that was never begun has nothing to load.
        self.loaded = not row.begun
        self.loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] | None = None
        self.waiting: set[Waiting] = set()
        self.on_way = 0
        self.landed: asyncio.Event | None = None
        self.tokens_in = self.tokens_out = self.attempts = self.latency_ms = 0
        self.model: str | None = None
        self.unused = 0
        self.unknown_pico = self.written_off = 0
        self.remark = ""
        self.on_state: Any = None
        self.on_note: Any = None
        self._asked: dict[bytes, int] = {}
        self._calls: dict[tuple[bytes, int], CallRow] = {}
        self._tries: dict[int, list[AttemptRow]] = {}
        self._notes: dict[str, Any] = {}
        self._next_number = 0
        self.item = Item(
            row.seq, row.key, row.data, round_=round_, seed=self._seed, note=self._note, phase=self.set_phase
        )

    def load(self, journal: ItemJournal) -> None:
        """Take over what earlier sessions and rounds did."""
        self.loaded = True
        for call in journal.calls:
            self._next_number = max(self._next_number, call.number + 1)
            if call.round == self.round or call.ended == "accepted":
                self._calls[call.digest, call.nth] = call
        self.unused = len(self._calls)
        for attempt in journal.attempts:
            self._tries.setdefault(attempt.number, []).append(attempt)
            self._add_up(attempt)
            if attempt.state == "held":
                # It lies in a provider's job, which goes on without us.
                self.on_way += 1
                self.money.held += attempt.worst
        self.money.before = self.money.spent
        if self.calls_left is not None:
            self.calls_left = max(1, self.calls_left - sum(call.ended is not None for call in self._calls.values()))
        self._notes = {name: value for round_, name, value in journal.notes if round_ == self.round}

    def _add_up(self, attempt: AttemptRow) -> None:
        self.attempts += attempt.state not in {"not_sent", "held"}
        self.tokens_in += attempt.tokens_in or 0
        self.tokens_out += attempt.tokens_out or 0
        self.latency_ms += attempt.latency_ms or 0
        self.money.spent += attempt.worst if attempt.state == "unknown" else attempt.cost or 0
        self.unknown_pico += attempt.worst if attempt.state == "unknown" else 0
        self.written_off += attempt.worst if attempt.state == "written_off" else 0
        if attempt.state == "answered":
            self.model = attempt.model

    @property
    def settled(self) -> int:
        """What the item has truly cost, unknown amounts left out."""
        return self.money.spent - self.unknown_pico

    @property
    def answered(self) -> bool:
        """A call of this item has ended and its recipe has not yet gone on."""
        return any(waiting.future.done() for waiting in self.waiting)

    def nth_ask(self, digest: bytes) -> int:
        """How many earlier asks of this run had the same digest."""
        nth = self._asked.get(digest, 0)
        self._asked[digest] = nth + 1
        return nth

    def known(self, digest: bytes, nth: int) -> CallRow | None:
        """The journaled call of this identity."""
        call = self._calls.get((digest, nth))
        if call is not None:
            self.unused -= 1
        return call

    def tries(self, number: int) -> list[AttemptRow]:
        """Journaled attempts of a call."""
        return self._tries.get(number, [])

    def new_number(self) -> int:
        """The display number of a new call."""
        self._next_number += 1
        return self._next_number - 1

    def replay(self, call: CallRow) -> Ended:
        """An ended call, from the journal, for free."""
        ended = Ended(call.ended or "", reason=call.reason or "", kind=call.kind or "")
        answered = [attempt for attempt in self.tries(call.number) if attempt.state == "answered"]
        if answered:
            last = answered[-1]
            ended.answer = read_answer(last.answer or b"")
            ended.cost, ended.model = last.cost or 0, last.model
        return ended

    def resume_call(self, waiting: Waiting, call: CallRow) -> str:
        """Go on with a call that has attempts and no end; returns why it may not be tried again, or ''."""
        waiting.number, waiting.fresh_call = call.number, False
        tries = self.tries(call.number)
        waiting.nth = len(tries)
        waiting.spent = sum(1 for attempt in tries if attempt.fault in SPENDING)
        if tries and tries[-1].state in {"held", "answered"}:
            waiting.found, waiting.nth = tries[-1], tries[-1].nth
            return ""
        if self.world.limits.on_unknown == "hold" and any(attempt.state == "unknown" for attempt in tries):
            return "an attempt may have been billed and its answer is lost; --on-unknown hold does not ask again"
        return ""

    def landed_unasked(self, attempt: AttemptRow) -> None:
        """An attempt of this item came out of its job before the recipe asked for it again."""
        tries = self._tries[attempt.number]
        tries[attempt.nth] = attempt
        self.money.held -= attempt.worst
        self._add_up(attempt)
        self.on_way -= 1
        if self.on_way == 0 and self.landed is not None:
            self.landed.set()

    def set_phase(self, name: str) -> None:
        """The recipe says what it does: 'validating' or 'generating'."""
        event = {"validating": "check", "generating": "ask"}.get(name)
        if event is None:
            message = f"an item's phase is 'generating' or 'validating', not {name!r}"
            raise UsageError(message)
        self.change(event)

    def change(self, event: str, reason: str = "") -> None:
        """Move by the table and tell whoever listens."""
        if self.state in ITEM_FINAL:
            return
        state = move(ITEM, self.state, event)
        if state != self.state or reason != self.reason:
            self.state, self.reason, self.since_s = state, reason, self.world.clock.now_s()
            if self.on_state is not None:
                self.on_state(self)

    def close(self, how: str, reason: str) -> None:
        """Unwind the recipe: as cancellation, never as an exception it could swallow."""
        if self.closing is None:
            self.closing = (how, reason)
        for waiting in self.waiting:
            waiting.abandoned = True
        if self.task is not None and self.started:
            self.task.cancel()

    def let_go(self) -> None:
        """Untie run, item and task at the end: their memory is free at once, not at the collector's next round."""
        del self.item
        self.task = None

    def _seed(self) -> Any:  # noqa: ANN401 - Rng
        return self.world.seeded(f"{self.world.batch_id}:{self.seq}:{self.round}")

    async def _note(self, name: str, fn: NoteFn) -> Any:  # noqa: ANN401 - the value is the recipe's own
        if name not in self._notes:
            value = fn()
            if inspect.isawaitable(value):
                value = await value
            data = msgspec.json.encode(value)
            self._notes[name] = msgspec.json.decode(data)
            self.on_note(self, name, data)
        return self._notes[name]

"""Beside the run: answers wishes, writes the live row and ticks, watches for outages and overdue stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from packmule.core.batch import Limits, cap_of, cap_words, limits_event, refuse_low_cap
from packmule.core.endings import Ending
from packmule.core.money import usd_short
from packmule.engine.live import live_row
from packmule.errors import UsageError

if TYPE_CHECKING:
    from packmule.engine.runner import Runner

STEP_S = 0.25
TICK_STEPS = 4
HEARTBEAT_S = 5.0
NEAR = 80
"""Per cent of the cap at which a person is told."""


class Monitor:
    """One a runner. `drop_at_s` is when a stop stops waiting for what is on its way."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.drop_at_s: float | None = None
        self._shown: object = None
        self._beat_s = 0.0
        self._warned: tuple[int | None, int] = (None, 0)

    async def watch(self) -> None:
        """Until cancelled."""
        step = 0
        while True:
            self._watch_store()
            self._answer_wishes()
            self._watch_outage()
            self._watch_stop()
            self._write(tick=step % TICK_STEPS == 0)
            step += 1
            await self._runner.world.clock.sleep(STEP_S)

    def _write(self, *, tick: bool) -> None:
        """On change only, and every five seconds as a heartbeat: a batch that waits all night writes little."""
        runner = self._runner
        now_s, tap, ledger = runner.world.clock.now_s(), runner.tap, runner.ledger
        money = (ledger.settled, ledger.unknown, ledger.held, runner.settling.successes)
        shown = (
            money,
            tap.in_flight,
            tap.closed,
            runner.state,
            len(runner.runs),
            runner.told,
            [b.why for b in tap.buckets.values()],
        )
        if shown == self._shown and now_s < self._beat_s:
            return
        if tick or shown != self._shown:
            runner.recorder.group.live_of = self.live
            runner.recorder.group.tick = self._tick() if tick else None
            self._shown, self._beat_s = shown, now_s + HEARTBEAT_S
            runner.recorder.wake()

    def live(self) -> tuple[int, int, str]:
        """The live row as it is now."""
        live = live_row(self._runner)
        return self._runner.row.batch, live.at, _text(live)

    def _tick(self) -> tuple[int, int, str]:
        runner = self._runner
        ledger, settling = runner.ledger, runner.settling
        data = {
            "settled": ledger.settled,
            "unknown": ledger.unknown,
            "held": ledger.held,
            "in_flight": runner.tap.in_flight,
            "answers": settling.successes,
            "latency_sum_s": round(settling.latency_sum_s, 3),
        }
        return runner.row.batch, runner.world.clock.utc_us() // 1_000_000, _text(data)

    def _watch_outage(self) -> None:
        runner = self._runner
        limit = runner.limits.outage_limit_s
        if limit is None or runner.stopping is not None:
            return
        now_s = runner.world.clock.now_s()
        for name, bucket in runner.tap.buckets.items():
            since = bucket.breaker.since_s
            if bucket.breaker.open_until_s is not None and since is not None and now_s - since > limit:
                detail = f"{name} has not answered for {round(now_s - since)} s: {bucket.breaker.reason}"
                runner.stop(Ending("stopped", "outage", detail))
                return

    def _watch_store(self) -> None:
        runner = self._runner
        if runner.stopping is None and runner.journal.gone():
            detail = (
                "the store's file was deleted or replaced while this batch ran; what it has now goes to the results"
            )
            runner.stop(Ending("stopped", "disk", detail))

    def watch_cap(self) -> None:
        """Say once for each cap that most of it is spent, and once that all of it is."""
        ledger, words = self._runner.ledger, cap_words(self._runner.limits)
        spent, cap = ledger.settled + ledger.unknown, ledger.cap
        if cap is None:
            return
        if self._warned[0] != cap:
            self._warned = (cap, 0)
        share = 100 if spent >= cap else NEAR if spent * 100 >= cap * NEAR else 0
        if share <= self._warned[1]:
            return
        self._warned = (cap, share)
        if share == NEAR:
            said = f"{usd_short(spent)} is spent, {NEAR} % of the {words}"
        else:
            said = f"{usd_short(spent)} is spent, {'more than' if spent > cap else 'all of'} the {words}"
        self._runner.note("near_cap" if share == NEAR else "over_cap", {"reason": said})

    def _watch_stop(self) -> None:
        if self.drop_at_s is not None and self._runner.world.clock.now_s() >= self.drop_at_s:
            self.drop_at_s = None
            self._runner.drop()

    def _answer_wishes(self) -> None:
        runner = self._runner
        for wish in runner.journal.wishes():
            answer = self._grant(wish.kind, wish.data, wish.who)
            now_us = runner.world.clock.utc_us()
            runner.recorder.group.statements.append(("ack_wish", (now_us, answer, wish.id)))
            runner.note("wish", {"kind": wish.kind, "who": wish.who, "answer": answer})

    def _grant(self, kind: str, data: dict[str, Any], who: str) -> str:
        runner = self._runner
        if runner.stopping is not None and kind in {"pause", "unpause"}:
            return "refused: it is stopping already"
        if kind == "pause":
            runner.latches.set("person", str(data.get("reason", "")))
        elif kind == "unpause":
            runner.latches.lift("person")
        elif kind == "stop":
            runner.stop(Ending("stopped", str(data.get("reason") or "person"), str(data.get("detail") or "")))
            if data.get("now"):
                runner.drop()
        elif kind == "cancel":
            runner.stop(Ending("cancelled", "cancelled"))
        elif kind == "limits":
            return self._relimit(data, who)
        else:
            return f"refused: unknown wish {kind!r}"
        return "done"

    def _relimit(self, data: dict[str, Any], who: str) -> str:
        runner = self._runner
        before, reason = runner.limits, str(data.pop("reason", ""))
        try:
            limits = msgspec.convert({**msgspec.to_builtins(before), **data}, Limits)
            refuse_low_cap(limits, runner.ledger.committed)
        except UsageError as error:
            return f"refused: {error.message}; {error.hint}"
        except msgspec.ValidationError as error:
            return f"refused: {error}"
        group = runner.recorder.group
        group.statements.append(("set_limits", (_text(limits), runner.row.batch)))
        group.statements.append(("set_cap", (cap_of(limits), runner.row.batch)))
        runner.note("limits", limits_event(before, limits, who, reason))
        runner.relimit(limits)
        return "done"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()

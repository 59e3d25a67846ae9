"""What holds a run back for a while: a person's pause, a full disk. Several reasons are independent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packmule.core.states import ITEM_ACTIVE

if TYPE_CHECKING:
    from packmule.engine.runner import Runner


class Latches:
    """One a runner. While any is set nothing new goes out; what is on its way lands."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._why: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._why

    def set(self, name: str, why: str) -> None:
        """Hold everything new back for this reason."""
        runner = self._runner
        if runner.stopping is not None or name in self._why:
            return
        self._why[name] = why
        runner.vitals.time.pause(runner.world.clock.now_s())
        runner.tap.closed = next(iter(self._why))
        if runner.state == "running":
            runner.move("pause", name, why)
        for run in runner.runs.values():
            if run.on_way == 0 and run.state in ITEM_ACTIVE:
                run.change("pause", name)

    def lift(self, name: str) -> None:
        """That reason is gone; go on when it was the last."""
        runner = self._runner
        if self._why.pop(name, None) is None or runner.stopping is not None:
            return
        runner.tap.closed = next(iter(self._why), "")
        if self._why:
            return
        runner.vitals.time.unpause(runner.world.clock.now_s())
        runner.move("unpause", "")
        for run in runner.runs.values():
            if run.state == "paused":
                run.change("ask")
        runner.wake()

    def disk(self, sentence: str) -> None:
        """The store cannot be written, and why; '' when it can again."""
        if sentence:
            self.set("disk", sentence)
        else:
            self.lift("disk")

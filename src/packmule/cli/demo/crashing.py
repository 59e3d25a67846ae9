"""The kill: the real command against a provider in its own process, SIGKILL in the middle, the same command again.

In the end the provider's bill lies beside our books. The promise: no answer is lost, and only what was on its way at
the kill may be paid twice.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from packmule import compose
from packmule.cli.guard import Signalled
from packmule.cli.keys import kept_terminal
from packmule.cli.say import say
from packmule.config import STORE
from packmule.core.money import usd
from packmule.core.words import counted

if TYPE_CHECKING:
    from types import FrameType

    from packmule.cli.demo.sweeper import Sweeper
    from packmule.compose import Desk, Verdict

HERE = Path(__file__).parent
ORDER = "run tickets.csv --prompt-file ask.md --schema ticket.schema.json --model sim/large --max-output-tokens 80"
LIMITS = "--concurrency 8 --max-cost 1.00"
KILL_AT, FLYING = 20, 3
LOOK_S = 0.05


def crash(sweeper: Sweeper, pace: float, mode: str) -> int:
    """Serve, run, kill, run again, compare; 0 when the books hold, else 1."""
    folder = sweeper.folder
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    scenario = folder / "steady.toml"
    scenario.write_text(paced(scenario.read_text("utf-8"), pace), "utf-8")
    bill, desk = folder / "bill.jsonl", compose.Desk(folder / STORE)
    with provider(scenario, bill, sweeper) as url:
        shown = [] if mode == "auto" else ["--progress", mode]
        words = [*ORDER.split(), "--base-url", f"{url}/v1", *LIMITS.split(), *shown]
        with command(words, sweeper) as child:
            killed = _kill(desk, child)
        if not killed:
            say(f"packmule: the command ended with code {child.returncode} before it could be killed.")
            return 1
        row = desk.newest(1)[0]
        flying = desk.endings(row).get(("held", ""), 0)
        before = {record.key: record.output for record in desk.records(row) if record.status == "completed"}
        say(f"# SIGKILL to process {child.pid}: {counted(row.completed, 'item')} done, {flying} calls on their way.")
        say("# The same command again:")
        with command(words, sweeper) as child:
            child.wait()
    after = {record.key: record.output for record in desk.records(row) if record.status == "completed"}
    lost = row.total - len(after) + sum(after.get(key) != output for key, output in before.items())
    verdict = compose.judge(desk, row, bill)
    holds = child.returncode == 0 and verdict.holds and lost == 0 and verdict.paid_twice <= flying
    _say_verdict(verdict, row.total, lost, flying, holds=holds)
    return 0 if holds else 1


def paced(scenario: str, pace: float) -> str:
    """A scenario whose seconds last `pace` seconds."""
    return re.sub(r"(_s = )([\d.]+)", lambda found: f"{found[1]}{float(found[2]) * pace:g}", scenario)


@contextmanager
def provider(scenario: Path, bill: Path, sweeper: Sweeper) -> Iterator[str]:
    """`packmule sim serve` in a process of its own; its address."""
    words = ["sim", "serve", "--port", "0", "--scenario", scenario.name, "--bill", bill.name]
    say(f"$ packmule {shlex.join(words)}")
    # A process group of its own: Ctrl+C is for the command, whose calls may still be answered.
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [*packmule(), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    )
    assert process.stdout is not None
    with sweeper.watching(process.pid), process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def command(words: list[str], sweeper: Sweeper) -> Iterator[subprocess.Popen[bytes]]:
    """The real command on this terminal; ended with us, and the terminal as it was."""
    say(f"$ packmule {shlex.join(words)}")
    with ExitStack() as around:
        around.enter_context(kept_terminal())
        process = subprocess.Popen([*packmule(), *words])  # noqa: S603 - ourselves
        around.enter_context(sweeper.watching(process.pid))
        around.enter_context(process)
        try:
            yield process
        except KeyboardInterrupt:
            # It heard that too: it finishes what is on its way, and a second one drops it.
            while process.poll() is None:
                with suppress(KeyboardInterrupt):
                    process.wait()
            raise Signalled(signal.SIGINT) from None
        except BaseException:
            process.terminate()
            raise


def packmule() -> list[str]:
    """The command, as this interpreter has it."""
    return [sys.executable, "-m", "packmule"]


def _leave(number: int, frame: FrameType | None) -> None:
    """End through every context above: no process of ours stays behind."""
    del frame
    raise SystemExit(128 + number)


def _kill(desk: Desk, child: subprocess.Popen[bytes]) -> bool:
    """Kill it in the middle: some items done, some calls on their way. False when it ended before."""
    while child.poll() is None:
        rows = desk.newest(1)
        if rows and rows[0].completed >= KILL_AT and desk.endings(rows[0]).get(("held", ""), 0) >= FLYING:
            child.kill()
            return child.wait() < 0
        sleep(LOOK_S)
    return False


def _say_verdict(verdict: Verdict, items: int, lost: int, flying: int, *, holds: bool) -> None:
    text = (HERE / "verdict.md").read_text("utf-8")
    say(
        text.format(
            billed_calls=verdict.billed_calls,
            settled_calls=verdict.settled_calls,
            unknown_calls=verdict.unknown_calls,
            more_calls=verdict.billed_calls - verdict.settled_calls,
            billed=usd(verdict.billed),
            settled=usd(verdict.settled),
            unknown=usd(verdict.unknown),
            difference=usd(verdict.difference),
            items=items,
            lost=lost,
            twice=verdict.paid_twice,
            flying=flying,
            verdict="The books hold." if holds else "THE BOOKS DO NOT HOLD: please report this.",
        )
    )

"""The bad day: slow answers, a storm of 429, bad JSON, an outage, a pause, a cap that stops and is raised."""

from __future__ import annotations

import shlex
import sys
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from packmule import compose
from packmule.cli.demo.narrator import Narrator, load_story
from packmule.cli.say import say
from packmule.config import STORE
from packmule.core.money import usd_exact, usd_short
from packmule.core.words import counted

if TYPE_CHECKING:
    from packmule.compose import Desk

HERE = Path(__file__).parent
FIRST_CAP, SECOND_CAP = "0.024", "0.10"
ORDER = (
    "run tickets.csv --prompt-file ask.md --schema ticket.schema.json --model sim/large --max-output-tokens 80"
    " --price-in 0.10 --price-out 10 --concurrency 8 --retry-delay 1 --sim-scenario scenario.toml"
)
BUDGET, FAILURES = 4, 3


def show(folder: Path, pace: float, mode: str) -> int:
    """Both commands and the last words; 0 when it went as told, else the code of the command that did not."""
    story = load_story(HERE / "story.toml")
    desk = compose.Desk(folder / STORE)
    shown = [] if mode == "auto" else ["--progress", mode]
    with Narrator(desk, story.first, pace):
        first = type_([*ORDER.split(), "--max-cost", FIRST_CAP, *shown], pace)
    if first != BUDGET:
        say("The demo ends here, because its first command did not come to its cap.")
        return first or 1
    say()
    with Narrator(desk, story.second, pace):
        second = type_([*ORDER.split(), "--max-cost", SECOND_CAP, *shown], pace)
    say(last_words(desk))
    return 0 if second == FAILURES else second


def type_(words: list[str], pace: float) -> int:
    """Show a command and run it as it would run; its exit code."""
    from packmule.cli.app import app  # noqa: PLC0415 - the app holds this command too

    say(f"$ packmule {shlex.join(words)}")
    sys.argv = ["packmule", *words]  # the batch remembers by which command it came
    # In a context of its own: what the command keeps quiet about is its own affair.
    return copy_context().run(app, words, standalone_mode=False, obj=pace) or 0


def last_words(desk: Desk) -> str:
    """What was seen, the books, what to type next."""
    row = desk.newest(1)[0]
    endings = desk.endings(row)
    answered = endings.get(("answered", ""), 0)
    return (
        (HERE / "end.md")
        .read_text("utf-8")
        .format(
            rate_limits=counted(_ended(endings, "rate_limit"), "answer"),
            away=counted(_ended(endings, "connect"), "call"),
            invalid=counted(answered - row.completed, "answer"),
            total=row.total,
            completed=row.completed,
            failed=row.failed,
            settled=usd_short(row.settled),
            unknown=usd_short(row.unknown),
            cap=usd_exact(row.cap or 0),
            attempts=counted(sum(endings.values()), "call"),
            answered=answered,
        )
    )


def _ended(endings: dict[tuple[str, str], int], kind: str) -> int:
    return sum(count for (_, fault), count in endings.items() if fault == kind)

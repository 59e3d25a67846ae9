"""What people are told. Standard output is for results, everything else goes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from datetime import UTC, datetime

from packmule.core.money import usd_short
from packmule.core.rows import BatchRow
from packmule.views.wording import TROUBLES

_COMMANDS = {"packmule", "pip", "export", "make"}


def say(text: str = "") -> None:
    """A line for people."""
    with contextlib.suppress(OSError):
        # A screen or a log that takes no more must not end a run.
        print(clean(text), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints to people


def tell(text: str) -> None:
    """A line of results. Whoever reads them may leave: that is no error of ours, and no reason to stop."""
    try:
        print(clean(text), flush=True)  # noqa: T201 - the one place that prints results
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(message: str, hint: str) -> None:
    """What happened, and what to type next."""
    say(f"packmule: {_ended(message)}")
    if hint:
        say(f"          {_ended(_begun(hint))}")


def _begun(hint: str) -> str:
    """With a capital, but a command or an option as it is typed."""
    first = hint.split(maxsplit=1)[0]
    return hint if first in _COMMANDS or not first.isalpha() else hint[0].upper() + hint[1:]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def clean(text: str) -> str:
    """Without control characters: model output and file names must not steer the terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"} else " " for c in text)


def standing(row: BatchRow) -> str:
    """'412 of 1,000 done, $0.41 spent' with failures and unknown amounts where there are any."""
    parts = [f"{row.completed:,} of {row.total:,} done"]
    parts += [f"{count:,} {name}" for name in TROUBLES if (count := getattr(row, name))]
    parts.append(f"{usd_short(row.settled)} spent")
    if row.unknown:
        parts.append(f"{usd_short(row.unknown)} unknown")
    return ", ".join(parts)


def when(at_us: int | None, *, seconds: bool = False) -> str:
    """UTC to the minute, or to the second."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return "" if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).strftime(form)

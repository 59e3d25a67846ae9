"""What people are told. Standard output is for results, everything else goes to standard error.

On a terminal lines are folded at words; a command stays whole, so that it can be copied.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime

from packmule.core.money import usd_short
from packmule.core.rows import BatchRow
from packmule.views.wording import TROUBLES

_COMMANDS = {"packmule", "pip", "export", "make"}
_ARGUMENT = r"'[^']*'|[A-Z_]+\b|\S*[\d./]\S*"
_PIECE = re.compile(
    rf"( *)((?<=: )packmule .*|\$ packmule .*|packmule [a-z]+(?: -+[\w-]+(?: '[^']*'| \S+)?| (?:{_ARGUMENT}))*|\S+)"
)
_quiet: ContextVar[str] = ContextVar("quiet", default="")


def hush(mode: str) -> None:
    """From now on `say` keeps quiet, with `none` `say_last` too; any other mode undoes that. Errors are always said."""
    _quiet.set(mode if mode in {"quiet", "none"} else "")


def say(text: str = "") -> None:
    """A line for people."""
    if not _quiet.get():
        say_anyhow(text)


def say_last(text: str) -> None:
    """How it ended, in a line."""
    if _quiet.get() != "none":
        say_anyhow(text)


def say_anyhow(text: str = "") -> None:
    """What must be said however quiet a run is to be: errors, questions, answers to a signal."""
    with contextlib.suppress(OSError):
        # A screen or a log that takes no more must not end a run.
        print(_fitted(clean(text)), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints to people


def tell(text: str) -> None:
    """A line of results. Whoever reads them may leave: that is no error of ours, and no reason to stop."""
    try:
        print(clean(text), flush=True)  # noqa: T201 - the one place that prints results
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(message: str, hint: str) -> None:
    """What happened, and what to type next."""
    say_anyhow(f"packmule: {_ended(one_line(message))}")
    if hint:
        say_anyhow(f"          {_ended(_begun(one_line(hint)))}")


def _begun(hint: str) -> str:
    """With a capital, but a command or an option as it is typed."""
    first = hint.split(maxsplit=1)[0]
    return hint if first in _COMMANDS or not first.isalpha() else hint[0].upper() + hint[1:]


def _ended(sentence: str) -> str:
    """With a full stop, but a command as it is typed."""
    as_it_is = sentence.endswith((".", "?", "!")) or ": packmule " in sentence
    return sentence if as_it_is else f"{sentence}."


def _fitted(text: str) -> str:
    """For the terminal that standard error is; as it is for anything else."""
    if not sys.stderr.isatty():
        return text
    columns = os.environ.get("COLUMNS", "")
    try:
        width = int(columns) if columns.isdecimal() else os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        width = 0
    return "\n".join(folded(line, width) for line in text.split("\n")) if width > 0 else text


def folded(line: str, width: int) -> str:
    """At words, below where it begins; a command, a path or a long word stays whole and the terminal may fold it."""
    if len(line) <= width:
        return line
    found = _PIECE.findall(line)
    begin = len("packmule: ") if line.startswith("packmule: ") else len(line) - len(line.lstrip(" "))
    lines = [""]
    for space, word in found:
        if lines[-1].strip() and len(lines[-1] + space + word) > width:
            lines.append(" " * min(begin, width // 4) + word)
        else:
            lines[-1] += space + word
    return "\n".join(lines)


def clean(text: str) -> str:
    """Without control characters: model output and file names must not steer the terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"} else " " for c in text)


def one_line(text: str) -> str:
    """A key, a name or a reason from elsewhere among our own words: what would break the line stands as an escape."""
    shown = (c.isprintable() or unicodedata.category(c) == "Zs" for c in text)
    return "".join(c if ok else c.encode("unicode_escape").decode() for c, ok in zip(text, shown, strict=True))


def standing(row: BatchRow) -> str:
    """'412 of 1,000 done, $0.41 spent' with failures and unknown amounts where there are any."""
    parts = [f"{row.completed:,} of {row.total:,} done"]
    parts += [f"{count:,} {name}" for name in TROUBLES if (count := getattr(row, name))]
    parts.append(f"{usd_short(row.settled)} spent")
    if row.unknown:
        parts.append(f"{usd_short(row.unknown)} unknown")
    return ", ".join(parts)


def state_text(state: str, reason: str) -> str:
    """'stopped (budget)'; a reason that says no more than the state is left out."""
    return f"{state} ({reason})" if reason and reason != state else state


def when(at_us: int | None, *, seconds: bool = False) -> str:
    """UTC to the minute, or to the second."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return "" if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).strftime(form)

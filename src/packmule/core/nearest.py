"""Did-you-mean and listings, so that every message about an unknown name ends in a known one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

LISTED_MAX = 20


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name closest to `name`, case aside, or None."""
    by_fold = {option.casefold(): option for option in reversed(known)}
    found = get_close_matches(name.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def suggestion(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` or nothing."""
    found = nearest(name, known)
    return f"; did you mean {found!r}?" if found is not None else ""


def listing(columns: Sequence[str]) -> str:
    """The columns for a person, at most `LISTED_MAX` of them."""
    shown = ", ".join(repr(column) for column in columns[:LISTED_MAX])
    more = len(columns) - LISTED_MAX
    return f"{shown} and {more} more" if more > 0 else shown or "none"

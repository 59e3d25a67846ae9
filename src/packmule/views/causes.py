"""Why items failed, folded into causes: a short stable name, a reason with figures and quotations left out, a verdict.

Memory is bounded whatever comes: three samples a cause, and reasons beyond the first GROUPS_MAX are counted under
their name alone. A verdict is a sentence about asking the same items again: would it help as it is, with what change,
or not at all?
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from packmule.core.rows import FailedRow

GROUPS_MAX = 500
SAMPLES = 3
REASON_MAX = 160
OTHER = "(other reasons)"

_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`|“[^”\n]*”")
_ID = re.compile(r"\b(?=(?:[\w-]*\d){2})[\w-]{12,}")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

Helps = Literal["yes", "change", "no"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether asking again can help: as it is, only with a change, or not; why, in a sentence; what to add then."""

    helps: Helps
    sentence: str
    option: str = ""


_PASSES = "A retry can help: {}."
_CHANGE = "A retry helps only with a change: {}."
_TROUBLE = Verdict("yes", _PASSES.format("the provider was in trouble, and that passes"))

VERDICTS: dict[str, Verdict] = {
    "local": Verdict("yes", _PASSES.format("this machine had too little room; a smaller --concurrency is safer")),
    "connect": Verdict("yes", _PASSES.format("the connection failed before anything was sent")),
    "rate_limit": Verdict("yes", _PASSES.format("too much was asked at once; a lower --rpm is safer")),
    "overloaded": _TROUBLE,
    "server_error": _TROUBLE,
    "reset": Verdict("yes", _PASSES.format("the connection broke on the way")),
    "cut": Verdict("yes", _PASSES.format("the answer broke off on the way")),
    "malformed": Verdict("yes", _PASSES.format("something on the way spoiled the answer")),
    "died": Verdict("yes", _PASSES.format("the process had ended")),
    "stopped": Verdict("yes", _PASSES.format("it was dropped by a person")),
    "timeout": Verdict("yes", _PASSES.format("it may have been slow by chance; --timeout LONGER gives it more time")),
    "empty": Verdict("yes", _PASSES.format("an empty answer is often chance; if not, another --model")),
    "schema": Verdict("yes", _PASSES.format("another answer may fit; if it never does, another --model or schema")),
    "check": Verdict("yes", _PASSES.format("another answer may pass the check; if none does, another --model")),
    "length": Verdict(
        "change", _CHANGE.format("--max-output-tokens MORE, the answer did not fit"), "--max-output-tokens MORE"
    ),
    "item_cap": Verdict(
        "change", _CHANGE.format("--item-cap MORE, the item would have passed its cap"), "--item-cap MORE"
    ),
    "held": Verdict("yes", _PASSES.format("it asks again, at the risk of paying twice")),
    "refusal": Verdict("change", _CHANGE.format("another --model, this one refused to answer"), "--model ANOTHER"),
    "content_filter": Verdict(
        "change", _CHANGE.format("another --model, this provider withholds the answer"), "--model ANOTHER"
    ),
    "auth": Verdict("change", _CHANGE.format("a key that may do this, or another --model")),
    "quota": Verdict("change", _CHANGE.format("credit with the provider, or another --model")),
    "redirect": Verdict("change", _CHANGE.format("the right --base-url, in a new batch")),
    "recipe": Verdict("change", _CHANGE.format("the recipe mended, answers paid for are kept")),
    "check_error": Verdict("change", _CHANGE.format("the recipe's check mended")),
    "input": Verdict(
        "no", "A retry does not help: the row gives nothing to ask; mend the input and begin a new batch."
    ),
    "invalid_request": Verdict(
        "no", "A retry does not help: the provider refuses the request itself; another --model may take it."
    ),
}
_UNKNOWN = Verdict("yes", "A retry may help.")


@dataclass(slots=True)
class Cause:
    """One kind of failure. `samples` are (key, reason) of the first ones; `cost` and `unknown` in picodollars."""

    name: str
    reason: str
    count: int = 0
    cost: int = 0
    unknown: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Can a retry help?"""
        return VERDICTS.get(self.name, _UNKNOWN)

    @property
    def shown(self) -> str:
        """The reason as it was said where all samples agree, else the folded one."""
        said = {reason for _, reason in self.samples}
        return said.pop() if len(said) == 1 and self.reason != OTHER else self.reason


class Causes:
    """Failed items are added in pages; `after` is where the next page begins."""

    def __init__(self) -> None:
        self.after = (-1, -1)
        self._groups: dict[tuple[str, str], Cause] = {}

    def add(self, rows: Iterable[FailedRow]) -> None:
        """Count some more items."""
        for row in rows:
            self.after = row.rev, row.seq
            name = name_of(row)
            cause = self._group(name, folded(row.reason or ""))
            cause.count += 1
            cause.cost += row.cost
            cause.unknown += row.unknown
            if len(cause.samples) < SAMPLES:
                cause.samples.append((row.key, row.reason or ""))

    def _group(self, name: str, reason: str) -> Cause:
        if (name, reason) not in self._groups and len(self._groups) >= GROUPS_MAX:
            reason = OTHER
        return self._groups.setdefault((name, reason), Cause(name, reason))

    @property
    def groups(self) -> list[Cause]:
        """The commonest first."""
        return sorted(self._groups.values(), key=lambda cause: (-cause.count, cause.name, cause.reason))

    @property
    def names(self) -> dict[str, int]:
        """How many items each name stands for, the commonest first."""
        counts: Counter[str] = Counter()
        for cause in self._groups.values():
            counts[cause.name] += cause.count
        return dict(counts.most_common())


def name_of(row: FailedRow) -> str:
    """The kind of the call that failed; else what kept the item from its end."""
    if row.state == "blocked":
        return "item_cap"
    if row.kind is not None:
        return row.kind
    return "recipe" if row.asked or (row.reason or "").startswith("the recipe") else "input"


def folded(reason: str) -> str:
    """A reason without what differs from item to item: quotations, ids, figures; bounded."""
    text = _QUOTED.sub("'…'", " ".join(reason.split()))
    text = _NUMBER.sub("#", _ID.sub("#", text))
    return text if len(text) <= REASON_MAX else f"{text[: REASON_MAX - 1]}…"

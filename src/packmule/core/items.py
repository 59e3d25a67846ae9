"""An item as a recipe sees it: its place, its key, its data, and the two ways to learn from the world.

The item's `rng` is seeded by batch, seq and round. Whatever else a recipe learns from outside its asks goes through
`note`, so that a replay sees the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

Row = Mapping[str, Any]


class SourceItem(Struct, frozen=True):
    """One unit of work as a source yields it: key None when the input has no id, `skip` a reason not to do it."""

    key: str | None
    data: dict[str, Any]
    skip: str | None = None


class ItemChange(Struct, frozen=True):
    """One state change of an item, as on_change sees it. `reason` says why it failed, waits or was skipped."""

    seq: int
    key: str
    state: str
    reason: str = ""


class Rng(Protocol):
    """The part of random.Random that recipes and the engine use."""

    def random(self) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choice(self, seq: Any) -> Any: ...  # noqa: ANN401 - the element's type is the caller's
    def shuffle(self, x: Any) -> None: ...  # noqa: ANN401 - any mutable sequence
    def sample(self, population: Any, k: int) -> list[Any]: ...  # noqa: ANN401 - any sequence


NoteFn = Callable[[], Any] | Callable[[], Awaitable[Any]]


class Item:
    """`seq` is the 0-based input order, `key` the user's id or a derived one, `data` the row.

    `item["column"]` reads the row. `round` is 0 at first; a retry opens the next.
    """

    __slots__ = ("_note", "_phase", "_rng", "_seed", "data", "key", "round", "seq")

    def __init__(
        self,
        seq: int,
        key: str,
        data: Row,
        *,
        round_: int,
        seed: Callable[[], Rng],
        note: Callable[[str, NoteFn], Awaitable[Any]],
        phase: Callable[[str], None],
    ) -> None:
        self.seq = seq
        self.key = key
        self.data = data
        self.round = round_
        self._rng: Rng | None = None
        self._seed = seed
        self._note = note
        self._phase = phase

    def __getitem__(self, column: str) -> Any:  # noqa: ANN401 - a row holds any JSON value
        return self.data[column]

    @property
    def rng(self) -> Rng:
        """Chance that a replay repeats: seeded by batch, seq and round. Made when first used."""
        if self._rng is None:
            self._rng = self._seed()
        return self._rng

    async def note(self, name: str, fn: NoteFn) -> Any:  # noqa: ANN401 - the value is the caller's own
        """Journal what `fn` returns (a JSON value) under `name`; a replay returns the journaled value."""
        return await self._note(name, fn)

    def phase(self, name: str) -> None:
        """Say what the item is doing now: 'generating' or 'validating'. Shown live, never stored."""
        self._phase(name)

"""The Python face: `Batch(items=..., prompt=..., model=...).run()`.

A batch runs on a thread and loop of its own, so that the same call works in a script, in a notebook and inside a
running loop. Steering goes through the store, as from every other face.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from packmule.compose import Background, Desk, begin, prepare
from packmule.compose import ResultRecord as Result
from packmule.config import Order, limits_of, store_path
from packmule.core.batch import Limits
from packmule.core.items import ItemChange
from packmule.core.rows import BatchRow
from packmule.errors import ConsentNeeded, PackmuleError, UsageError
from packmule.views.progress import Progress

POLL_S = 0.2
WHO = "python"
__all__ = ["Batch", "Handle", "Result", "Results"]


class Results:
    """Results of a batch, in input order, one an item. Iterating reads from the store, page by page."""

    def __init__(self, desk: Desk, row: BatchRow) -> None:
        self._desk = desk
        self.batch = row

    def __len__(self) -> int:
        return self.batch.total

    def __iter__(self) -> Iterator[Result]:
        for record in self._desk.records(self.batch):
            output = None if record.output is None else msgspec.json.decode(record.output)
            yield msgspec.structs.replace(record, output=output)

    def __repr__(self) -> str:
        row = self.batch
        why = f", {row.state} ({row.reason})" if row.reason else f", {row.state}"
        return f"<Results of {row.id}: {row.completed} completed, {row.failed} failed of {row.total}{why}>"

    @property
    def complete(self) -> bool:
        """Every item is in a final state."""
        return self.batch.state == "completed"

    def to_jsonl(self, path: str | Path) -> Path:
        """Write results.jsonl's form. Raises OutputError."""
        return self._export(path, ".jsonl")

    def to_csv(self, path: str | Path) -> Path:
        """Write the spreadsheet-safe form. Raises OutputError."""
        return self._export(path, ".csv")

    def to_parquet(self, path: str | Path) -> Path:
        """Write Parquet. Raises OutputError, and UsageError without pyarrow."""
        return self._export(path, ".parquet")

    def to_polars(self) -> Any:  # noqa: ANN401 - polars is an extra
        """A polars DataFrame, one row an item. Raises PackmuleError without polars."""
        return _module("polars").DataFrame(self._rows())

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """A pandas DataFrame, one row an item. Raises PackmuleError without pandas."""
        return _module("pandas").DataFrame(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        return [msgspec.structs.asdict(result) for result in self]

    def _export(self, path: str | Path, suffix: str) -> Path:
        target = Path(path)
        if target.suffix != suffix:
            target = target.with_name(target.name + suffix)
        self._desk.export(self.batch, target)
        return target


class Handle:
    """A started batch. Every method may be called from any thread."""

    def __init__(self, desk: Desk, row: BatchRow, driven: Background | None = None) -> None:
        self._desk = desk
        self._row = row
        # None for a batch that was finished before.
        self._driven = driven
        self.batch_id = row.id

    @property
    def running(self) -> bool:
        """Is the runner's thread alive?"""
        return self._driven is not None and self._driven.running

    @property
    def progress(self) -> Progress:
        """How the batch stands now."""
        return self._desk.progress(self._row)

    def events(self) -> Iterator[dict[str, Any]]:
        """What happened to the batch, in order, until it ends: dicts with `id`, `at` (microseconds UTC), `kind`."""
        after = 0
        while True:
            alive = self.running
            for id_, at, kind, data in self._desk.events(self._row, after):
                after = id_
                yield {"id": id_, "at": at, "kind": kind, **data}
            if not alive:
                return
            self._join(POLL_S)

    def pause(self, reason: str = "") -> None:
        """Start nothing new; what is on its way finishes. Returns when the runner has agreed."""
        self._wish("pause", {"reason": reason})

    def resume(self) -> None:
        """Go on after a pause."""
        self._wish("unpause", {})

    def stop(self, *, now: bool = False) -> None:
        """Stop; `now` drops what is on its way and counts it as unknown. The batch can be run again later."""
        self._wish("stop", {"reason": "person", "now": now})

    def ask_to_stop(self) -> None:
        """As `stop`, without waiting for the runner's answer."""
        self._desk.wish(self._row, "stop", {"reason": "person", "now": False}, WHO)

    def wait(self, timeout_s: float | None = None) -> Results:
        """Block until the batch has ended. Raises TimeoutError, or what ended it."""
        self._join(timeout_s)
        if self.running:
            message = f"{self.batch_id} is still running"
            raise TimeoutError(message)
        if self._driven is not None and self._driven.error is not None:
            raise self._driven.error
        return Results(self._desk, self._desk.now(self._row))

    def _wish(self, kind: str, data: dict[str, Any]) -> None:
        wish = self._desk.wish(self._row, kind, data, WHO)
        while self.running and self._desk.answered(wish) is None:
            self._join(POLL_S / 4)

    def _join(self, timeout_s: float | None) -> None:
        if self._driven is not None:
            self._driven.join(timeout_s)


class Batch:
    """One batch. The same arguments over the same items go on with the same batch.

    `items` is a path, or strings, dicts, (key, dict) pairs, a DataFrame. Money is in dollars (numbers or decimal
    strings), times in seconds, `rpm` and `tpm` in requests and tokens a minute; None means the command's default.
    Raises UsageError, SourceError and PreflightError before anything is spent; ConsentNeeded without `max_cost`,
    `yes=True` or a free endpoint.
    """

    def __init__(
        self,
        items: Any,  # noqa: ANN401 - see above
        *,
        prompt: str | None = None,
        recipe: Callable[..., Any] | str | None = None,
        model: str | None = None,
        models: tuple[str, ...] = (),
        system: str | None = None,
        schema: Any = None,  # noqa: ANN401 - a path, a dict, a pydantic model
        base_url: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        key: str | None = None,
        where: tuple[str, ...] = (),
        skip: tuple[str, ...] = (),
        limit: int | None = None,
        max_cost: float | str | None = None,
        item_cap: float | str | None = None,
        on_budget: Literal["stop", "warn"] | None = None,
        price_in: float | str | None = None,
        price_out: float | str | None = None,
        free: bool = False,
        concurrency: int | None = None,
        rpm: float | None = None,
        tpm: float | None = None,
        retry_count: int | None = None,
        retry_delay: float | None = None,
        retry_backoff: float | None = None,
        retry_on: tuple[str, ...] | None = None,
        retries_invalid: int | None = None,
        timeout: float | None = None,
        outage_limit: float | None = None,
        on_unknown: Literal["retry", "hold"] | None = None,
        mode: Literal["realtime", "jobs"] | None = None,
        items_per_job: int | None = None,
        max_parallel_jobs: int | None = None,
        job_linger: float | None = None,
        yes: bool = False,
        fresh: bool = False,
        take_over: bool = False,
        store: str | Path | None = None,
        output: str | Path | None = None,
        sim_scenario: str | Path | None = None,
        on_change: Callable[[ItemChange], None] | None = None,
    ) -> None:
        given = dict(locals())
        for name, value in (("store", store), ("output", output), ("sim_scenario", sim_scenario)):
            if value is not None and not isinstance(value, str | Path):
                message = f"{name} must be a path, not {value!r}"
                raise UsageError(message)
        if on_change is not None and not callable(on_change):
            message = f"on_change must be a function, not {on_change!r}"
            raise UsageError(message)
        self._order = Order(
            items=items,
            prompt=prompt,
            system=system,
            schema=schema,
            models=(model,) if model is not None else _several(models, "models"),
            base_url=base_url,
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            key=key,
            where=_several(where, "where"),
            skip=_several(skip, "skip"),
            limit=limit,
            recipe=recipe,
            limits=limits_of(Limits(), given, str),
            fresh=fresh,
            take_over=take_over,
            out_dir=None if output is None else Path(output),
            sim_scenario=None if sim_scenario is None else Path(sim_scenario),
            command="(from Python)",
            spell=str,
        )
        self._yes = yes
        self._on_change = on_change
        self._path = store_path(None if store is None else Path(store), os.environ)

    def start(self) -> Handle:
        """Begin in the background; returns at once with a handle."""
        desk = Desk(self._path)
        prepared = prepare(self._order, desk.store, os.environ)
        if prepared.action == "finished" and prepared.existing is not None:
            return Handle(desk, prepared.existing)
        if not (self._yes or prepared.agreed):
            message = "this costs money, and nobody has agreed to it"
            raise ConsentNeeded(message, hint="give max_cost=2.00 (a cap is consent) or yes=True")
        session = begin(prepared, desk.store, WHO)
        return Handle(desk, session.row, Background(session, self._on_change))

    def run(self) -> Results:
        """Run to the end. An interrupt drains, keeps the results and returns what there is."""
        handle = self.start()
        try:
            while True:
                try:
                    return handle.wait(POLL_S)
                except TimeoutError:
                    continue
        except KeyboardInterrupt:
            handle.stop()
            return handle.wait()

    async def arun(self) -> Results:
        """Run to the end without blocking the calling loop; cancelling it stops the batch."""
        handle = await asyncio.to_thread(self.start)
        try:
            return await asyncio.to_thread(handle.wait)
        except asyncio.CancelledError:
            # The wish is on disk in an instant; the runner's answer is not waited for on the caller's loop.
            handle.ask_to_stop()
            raise


def _several(texts: object, name: str) -> tuple[str, ...]:
    """A single text is no sequence of letters."""
    if isinstance(texts, str):
        return (texts,)
    if not isinstance(texts, list | tuple):
        message = f"{name} must be text, or several texts, not {texts!r}"
        raise UsageError(message)
    return tuple(texts)


def _module(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return __import__(name)
    except ImportError:
        message = f"{name} is not installed"
        raise PackmuleError(message, hint=f"pip install 'packmule[{name}]'") from None

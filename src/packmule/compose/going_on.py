"""Going on with a batch that is in the store: resume, and a new round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from packmule.compose.asking import stored_recipe
from packmule.compose.choosing import Chosen, Quote, quote
from packmule.compose.desk import OVER, Desk
from packmule.compose.parts import Parts
from packmule.compose.session import Session
from packmule.config import dashed
from packmule.core.asking import check_settings
from packmule.core.batch import DOCUMENT_RECIPES, Limits, Round, changes
from packmule.core.rows import BatchRow
from packmule.errors import SourceError
from packmule.sources.opening import open_source
from packmule.store import batches


@dataclass(slots=True)
class Again:
    """What may be given anew when a batch goes on."""

    limits: Limits
    recipe: str | Callable[..., Any] | None = None
    out_dir: Path | None = None
    sim_scenario: Path | None = None
    take_over: bool = False


def resume(desk: Desk, row: BatchRow, again: Again, who: str, settings: Round | None = None) -> Session:
    """A session of a stored batch. Raises PackmuleError when it cannot go on, and nothing is changed then."""
    parts = _parts(desk, row, again, settings or row.round)
    session = _session(desk, row, parts, again)
    if changes(row.limits, again.limits):
        try:
            batches.set_limits(desk.store, session.row, again.limits, parts.clock.utc_us(), who)
        except BaseException:
            session.close()
            raise
    return session


def quoted(desk: Desk, row: BatchRow, again: Again, settings: Round, chosen: Chosen) -> Quote:
    """What a new round over these items may cost. Raises UsageError, PreflightError when it could not begin."""
    check_settings(settings.max_output_tokens, None, dashed)
    return quote(desk.store, row, _parts(desk, row, again, settings), again.limits, settings, chosen)


def retry(desk: Desk, row: BatchRow, again: Again, who: str, settings: Round, chosen: Chosen) -> tuple[Session, int]:
    """Open a new round over these items: (session, how many). None to do: the session is closed again."""
    check_settings(settings.max_output_tokens, None, dashed)
    settings = msgspec.structs.replace(settings, number=row.round.number + 1)
    session = resume(desk, row, again, who, settings)
    now_us = session.parts.clock.utc_us()
    count = batches.open_round(desk.store, session.row, settings, chosen.states, now_us, chosen.seqs)
    if count == 0:
        session.close()
    elif session.row.state in OVER:
        batches.set_state(desk.store, session.row, "reopen", f"round {settings.number}", now_us)
    return session, count


def _parts(desk: Desk, row: BatchRow, again: Again, settings: Round) -> Parts:
    """With the endpoints that will be asked: a missing key or price shows here."""
    names = (settings.model,) if settings.model is not None else row.spec.models
    parts = Parts(
        again.limits,
        desk.env,
        base_url=row.spec.base_url,
        models=(*row.spec.models, *names) if settings.priced else row.spec.models,
        sim_scenario=again.sim_scenario,
    )
    for name in names:
        parts.endpoint(name)
    return parts


def _session(desk: Desk, row: BatchRow, parts: Parts, again: Again) -> Session:
    if row.ingested:
        recipe = stored_recipe(row, parts, again.recipe)
        return Session(desk.store, row, recipe, parts, again.out_dir, take_over=again.take_over)
    return _half_read(desk, row, parts, again)


def _half_read(desk: Desk, row: BatchRow, parts: Parts, again: Again) -> Session:
    """The last run ended while it read its input: go on reading, if it is still the same."""
    spec, path = row.spec, Path(row.source.name)
    if not path.exists():
        message = f"{row.id} was still reading its input {row.source.name}, which is not here"
        raise SourceError(message, hint=f"type its command again: {row.command}")
    source = open_source(
        path,
        key=spec.key_column,
        where=spec.where,
        skip=spec.skip,
        limit=spec.limit,
        spool_dir=desk.store.folder / "spool",
        documents=spec.recipe in DOCUMENT_RECIPES,
    )
    if source.fingerprint().sha256_hex != row.source.sha256:
        message = f"{row.source.name} has changed since {row.id} began to read it"
        raise SourceError(message, hint="begin a new batch with packmule run")
    notes = {**row.ingest_notes, "columns": list(source.columns)}
    recipe = stored_recipe(msgspec.structs.replace(row, ingest_notes=notes), parts, again.recipe)
    session = Session(desk.store, row, recipe, parts, again.out_dir, take_over=again.take_over)
    try:
        session.ingest(source, row.source)
    except BaseException:
        session.close()
        raise
    return session

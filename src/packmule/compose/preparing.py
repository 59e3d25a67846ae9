"""From an order to a checked plan: nothing is spent, written or sent here.

Source, prompt, schema, recipe, models, keys and prices are all looked at, so that each mistake is one sentence before
the first call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from packmule.checks import load_schema
from packmule.compose.asking import Asking, asking_of
from packmule.compose.parts import Parts, is_simulated
from packmule.config import Order, check_order
from packmule.core.batch import DOCUMENT_RECIPES, SourceMark, Spec, cap_of, cap_words, changes, identity, spec_digest
from packmule.core.calls import Message, Request, TextPart
from packmule.core.money import usd_exact
from packmule.core.ports import CheckedSchema
from packmule.core.rows import BatchRow
from packmule.core.states import BATCH_OVER
from packmule.core.words import counted
from packmule.engine.world import Recipe, price_of
from packmule.errors import SourceError, UsageError
from packmule.providers.attachments import PDF
from packmule.providers.bounds import PAGE_TOKENS, pdf_pages
from packmule.sources.cells import text_of
from packmule.sources.opening import open_source
from packmule.sources.source import Source
from packmule.store import Store, batches
from packmule.views.estimate import Calls, Estimate, Sample, estimate, take_sample

Action = Literal["new", "resume", "extend", "finished"]
PAGE_CHARS = 6_000
"""A page of a document, as characters of a prompt: its words, and its picture."""
_SPELT = {"key_column": "key", "models": "model"}


@dataclass(slots=True)
class Prepared:
    """A checked order. `existing` is the batch that the same words mean, `action` what they mean for it.

    `fields` are the columns that the prompt reads, `kept` says which limits stay although they were not given again,
    `pages` how many pages of documents the sampled items have.
    """

    order: Order
    spec: Spec
    source: Source
    mark: SourceMark
    recipe: Recipe
    parts: Parts
    action: Action = "new"
    existing: BatchRow | None = None
    differs: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    render: Callable[[Mapping[str, Any]], str] | None = None
    fields: list[str] = field(default_factory=list)
    empty: Counter[str] = field(default_factory=Counter)
    pages: int = 0

    @property
    def unspoken(self) -> frozenset[str]:
        """Options that would agree to the spending had a person given them, and only a file did."""
        old = self.existing
        # The cap of a batch that exists was agreed to when it began.
        return self.order.unspoken - ({"max_cost"} if old is not None and cap_of(old.limits) is not None else set())

    @property
    def agreed(self) -> bool:
        """Nobody need be asked: a cap that stops, or nothing to pay, by a person's own word."""
        paid = [model for model in self.spec.models if not is_simulated(model, self.spec.base_url)]
        if self.spec.models and not paid:
            return True
        if self.unspoken - {"max_cost"}:
            return False
        free = bool(paid) and all(self.parts.endpoint(model).price.free for model in paid)
        return free or (cap_of(self.order.limits) is not None and not self.unspoken)

    @property
    def notes(self) -> list[str]:
        """What a person should know before spending; whole after `sample`."""
        notes = [*self.source.warnings, *self.kept]
        if empty := self.source.counts.empty:
            notes.append(f"{counted(empty, 'empty row')} left out")
        if self.render is not None and not self.fields:
            notes.append("the prompt names no {column}, so every row gets the same prompt")
        return notes + [f"{{{name}}} is empty in {counted(rows, 'row')}" for name, rows in self.empty.items()]

    def sample(self) -> Sample:
        """Read what is still to be brought in of the source: how many items, how much text."""
        self.empty.clear()
        self.pages = 0
        return take_sample(self._prompts())

    def _prompts(self) -> Iterator[str | None]:
        # Of an extended batch only the new rows; what is pending of a resumed one was never asked, or is asked again.
        start = self.existing.total if self.existing is not None and self.action == "extend" else 0
        for item in self.source.items(start):
            if item.skip:
                yield None
            elif self.render is not None:
                self.pages += _pages(item.data)
                self.empty.update(name for name in self.fields if not text_of(item.data.get(name)).strip())
                yield self.render(item.data)
            else:
                yield " ".join(str(value) for value in item.data.values())

    def estimate(self, sample: Sample) -> Estimate | None:
        """What the sampled items may cost with the first model, at most with the dearest.

        None when only the recipe knows the model.
        """
        guesses = [self._with_model(sample, model) for model in self.spec.models]
        return replace(guesses[0], high=max(guess.high for guess in guesses)) if guesses else None

    def _with_model(self, sample: Sample, model: str) -> Estimate:
        spec, endpoint = self.spec, self.parts.endpoint(model)
        request = Request(
            spec.models,
            (Message("user", (TextPart(sample.first_prompt),)),),
            system=spec.system,
            schema=spec.schema,
            max_output_tokens=spec.max_output_tokens,
        )
        bounds = endpoint.bounds(request, endpoint.encode(request, lambda _: b""))
        most = int(getattr(self.recipe, "calls_max", 1) or 1)
        calls = Calls(1 if self.render is not None else most, most)
        extra = len(spec.system or "") + len(spec.schema or "")
        if self.pages:
            # Pages and images go along with the words.
            pages = -(-self.pages // sample.items)
            extra += pages * PAGE_CHARS
            bounds = replace(bounds, tokens_in=bounds.tokens_in + pages * PAGE_TOKENS)
        return estimate(sample, price_of(endpoint, self.order.limits), bounds, extra, calls)


def _pages(row: Mapping[str, Any]) -> int:
    """Pages of a document that is sent, an image is one; none of a row of text."""
    if "media" not in row:
        return 0
    try:
        return pdf_pages(Path(row["file"]).read_bytes()) if row["media"] == PDF else 1
    except OSError:
        return 1


def prepare(order: Order, store: Store | None, env: Mapping[str, str]) -> Prepared:
    """Check an order. Raises UsageError, SourceError, PreflightError; `store` None looks for no earlier batch."""
    check_order(order)
    parts = _parts(order, env)
    models = tuple(parts.canonical(model) for model in order.models)
    schema = load_schema(order.schema) if order.schema is not None else None
    folder = store.folder / "spool" if store is not None else None
    source = open_source(
        order.items,
        key=order.key,
        where=order.where,
        skip=order.skip,
        limit=order.limit,
        stdin=order.stdin,
        spool_dir=folder,
        documents=order.recipe in DOCUMENT_RECIPES,
    )
    asking = asking_of(order, source.columns, schema, models, parts)
    for model in models:
        if parts.endpoint(model).jobs() is None and order.limits.mode == "jobs":
            message = f"{model} has no batch jobs"
            hint = f"leave out {order.spell('mode')} jobs, or name a model of openai, anthropic or gemini"
            raise UsageError(message, hint=hint)
    spec = _spec(order, asking, schema, models)
    mark = SourceMark(source.name, *_mark(source))
    prepared = Prepared(order, spec, source, mark, asking.recipe, parts, render=asking.render, fields=asking.fields)
    if store is not None:
        _look_back(prepared, store)
    if prepared.existing is None:
        _require_rows(source)
    else:
        _keep_limits(prepared, prepared.existing)
    return prepared


def _require_rows(source: Source) -> None:
    if next((item for item in source.items() if not item.skip), None) is not None:
        return
    if source.counts.filtered:
        message = f"{source.name}: none of {counted(source.counts.rows, 'row')} passes --where and --skip"
        raise SourceError(message, hint="see what the columns hold, and mend the pattern")
    message = f"{source.name}: there are no rows"
    raise SourceError(message)


def _keep_limits(prepared: Prepared, row: BatchRow) -> None:
    """A cap that is not given again stays: nobody lifts one by leaving it out, or by a settings file."""
    settled, old = prepared.order.settled, row.limits
    kept = given = prepared.order.limits
    if "on_budget" in settled:
        kept = msgspec.structs.replace(kept, on_budget=old.on_budget)
    if old.max_cost is not None and (given.max_cost is None or "max_cost" in settled):
        warn = "warn" if "warn" in {kept.on_budget, old.on_budget} else "stop"
        kept = msgspec.structs.replace(kept, max_cost=old.max_cost, on_budget=warn)
        if given.max_cost != old.max_cost:
            prepared.kept.append(f"the {cap_words(kept)} stays; --max-cost changes it")
    if old.item_cap is not None and (given.item_cap is None or "item_cap" in settled):
        kept = msgspec.structs.replace(kept, item_cap=old.item_cap)
        if given.item_cap != old.item_cap:
            prepared.kept.append(f"the item cap {usd_exact(old.item_cap)} stays; --item-cap changes it")
    # Results stay where they are, too.
    moved = "output" in settled and row.out_dir
    prepared.order = with_fields(prepared.order, limits=kept, out_dir=None if moved else prepared.order.out_dir)


def _parts(order: Order, env: Mapping[str, str]) -> Parts:
    plain = Parts(order.limits, env, base_url=order.base_url)
    names = tuple(plain.canonical(model) for model in order.models)
    if order.sim_scenario is not None and names and not any(is_simulated(name, order.base_url) for name in names):
        message = f"{order.spell('sim_scenario')} is for sim/ models, and {names[0]} is none"
        raise UsageError(message, hint="leave it out, or name a model like sim/small")
    return Parts(
        order.limits,
        env,
        base_url=order.base_url,
        models=names,
        sim_scenario=order.sim_scenario,
        unsent=order.dry_run,
        pace=order.pace,
    )


def _spec(order: Order, asking: Asking, schema: CheckedSchema | None, models: tuple[str, ...]) -> Spec:
    return Spec(
        recipe=asking.name,
        prompt=order.prompt,
        system=order.system,
        schema=schema.canonical.decode() if schema is not None else None,
        models=models,
        base_url=order.base_url,
        temperature=order.temperature,
        max_output_tokens=order.max_output_tokens,
        key_column=order.key,
        where=order.where,
        skip=order.skip,
        limit=order.limit,
    )


def _mark(source: Source) -> tuple[str, int, bool]:
    found = source.fingerprint()
    return found.sha256_hex, found.size_bytes, found.extendable


def _look_back(prepared: Prepared, store: Store) -> None:
    """Which batch do these words mean: an unfinished one, a finished one, one to extend, or a new one?"""
    if prepared.order.fresh:
        return
    same = batches.of_identity(store, identity(prepared.spec, prepared.mark))
    unfinished = [row for row in same if row.state not in BATCH_OVER]
    finished = [row for row in same if row.state == "completed"]
    if unfinished:
        prepared.action, prepared.existing = "resume", unfinished[0]
    elif finished:
        prepared.action, prepared.existing = "finished", finished[0]
    else:
        prepared.existing = _extendable(prepared, store)
        prepared.action = "extend" if prepared.existing is not None else "new"
    if prepared.action == "new":
        prepared.differs = _differences(prepared, store)


def _extendable(prepared: Prepared, store: Store) -> BatchRow | None:
    for row in batches.of_spec(store, spec_digest(prepared.spec)):
        old = row.source
        grown = old.extendable and prepared.mark.extendable and old.size < prepared.mark.size
        if grown and row.state != "cancelled" and prepared.source.prefix_digest(old.size) == old.sha256:
            return row
    return None


def _differences(prepared: Prepared, store: Store) -> list[str]:
    """What differs from the last batch over the same source."""
    for row in batches.newest(store):
        if row.source.name == prepared.mark.name:
            spell = prepared.order.spell
            diff = [spell(_SPELT.get(change.name, change.name)) for change in changes(row.spec, prepared.spec)]
            if row.source.sha256 != prepared.mark.sha256:
                diff.append("the input's content")
            return [f"{row.id}: {', '.join(diff)}"] if diff else []
    return []

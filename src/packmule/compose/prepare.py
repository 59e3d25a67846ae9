"""From an order to a checked plan: nothing is spent, written or sent here.

Source, prompt, schema, recipe, models, keys and prices are all looked at, so that each mistake is one sentence before
the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from packmule.checks import load_schema
from packmule.compose.parts import Parts
from packmule.config import Order, check_limits
from packmule.core.batch import SourceMark, Spec, changes, identity, spec_digest
from packmule.core.calls import Message, Request, TextPart
from packmule.core.ports import CheckedSchema
from packmule.core.rows import BatchRow
from packmule.engine.world import Recipe
from packmule.errors import SourceError, UsageError
from packmule.recipes.loading import load_recipe, recipe_name, require_recipe
from packmule.recipes.prompt import NAME as PROMPT
from packmule.recipes.prompt import prompt_recipe
from packmule.sources.opening import open_source
from packmule.sources.source import Source
from packmule.sources.template import Template, prompt_column
from packmule.store import Store, batches
from packmule.views.estimate import Estimate, Sample, estimate, take_sample

Action = Literal["new", "resume", "extend", "finished"]
_OVER = {"completed", "cancelled"}


@dataclass(slots=True)
class Prepared:
    """A checked order. `existing` is the batch that the same words mean, `action` what they mean for it."""

    order: Order
    spec: Spec
    source: Source
    mark: SourceMark
    recipe: Recipe
    parts: Parts
    action: Action = "new"
    existing: BatchRow | None = None
    differs: list[str] = field(default_factory=list)
    render: Callable[[Mapping[str, Any]], str] | None = None

    @property
    def free(self) -> bool:
        """No model of this batch can cost anything: simulated, or declared free."""
        models = self.spec.models
        return bool(models) and all(m.startswith("sim/") or self.parts.endpoint(m).price.free for m in models)

    def sample(self) -> Sample:
        """Read the whole source once: how many items, how much text."""
        extra = len(self.spec.system or "") + len(self.spec.schema or "")
        return take_sample(self._prompts(), extra)

    def _prompts(self) -> Iterator[str | None]:
        for item in self.source.items():
            if item.skip:
                yield None
            elif self.render is not None:
                yield self.render(item.data)
            else:
                yield " ".join(str(value) for value in item.data.values())

    def estimate(self, sample: Sample) -> Estimate | None:
        """What all items may cost with the first model; None when only the recipe knows the model."""
        if not self.spec.models:
            return None
        endpoint = self.parts.endpoint(self.spec.models[0])
        request = Request(
            self.spec.models,
            (Message("user", (TextPart(sample.first_prompt),)),),
            max_output_tokens=self.spec.max_output_tokens,
        )
        body = endpoint.encode(request, lambda _: b"")
        calls = 1 if self.render is not None else int(getattr(self.recipe, "calls_max", 1) or 1)
        return estimate(sample, endpoint.price, endpoint.bounds(request, body).tokens_out, calls)


def prepare(order: Order, store: Store | None, env: Mapping[str, str]) -> Prepared:
    """Check an order. Raises UsageError, SourceError, PreflightError; `store` None looks for no earlier batch."""
    check_limits(order.limits)
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
    )
    name, recipe, render, prompt = _recipe(order, source.columns, schema, models)
    for model in models:
        parts.endpoint(model)
    spec = _spec(order, name, prompt, schema, models)
    mark = SourceMark(source.name, *_mark(source))
    prepared = Prepared(order, spec, source, mark, recipe, parts, render=render)
    if store is not None:
        _look_back(prepared, store)
    if prepared.existing is None and next(source.items(), None) is None:
        message = f"{source.name}: there are no rows"
        raise SourceError(message)
    return prepared


def stored_recipe(row: BatchRow, given: str | Callable[..., Any] | None = None) -> Recipe:
    """The recipe of a batch in the store; `given` says where a recipe of the user's is now."""
    if row.spec.recipe != PROMPT:
        return _given(given if given is not None else row.spec.recipe)[1]
    schema = load_schema(msgspec.json.decode(row.spec.schema)) if row.spec.schema is not None else None
    columns = list(row.ingest_notes.get("columns", ()))
    return prompt_recipe(_renderer(row.spec.prompt, columns), schema, row.limits.retries_invalid)


def _parts(order: Order, env: Mapping[str, str]) -> Parts:
    plain = Parts(order.limits, env, base_url=order.base_url)
    names = tuple(plain.canonical(model) for model in order.models)
    return Parts(order.limits, env, base_url=order.base_url, models=names, sim_scenario=order.sim_scenario)


def _recipe(
    order: Order, columns: list[str], schema: CheckedSchema | None, models: tuple[str, ...]
) -> tuple[str, Recipe, Callable[[Mapping[str, Any]], str] | None, str | None]:
    if order.recipe is not None:
        if order.prompt is not None or order.schema is not None:
            message = "--recipe does its own asking, so --prompt and --schema have no place beside it"
            raise UsageError(message, hint="give the recipe its prompt and schema inside the function")
        name, recipe = _given(order.recipe)
        return name, recipe, None, None
    if not models:
        message = "no model is named"
        raise UsageError(message, hint="give one with --model, for example --model openai/gpt-5-mini or sim/small")
    render = _renderer(order.prompt, columns)
    prompt = order.prompt if order.prompt is not None else None
    return PROMPT, prompt_recipe(render, schema, order.limits.retries_invalid), render, prompt


def _given(recipe: str | Callable[..., Any]) -> tuple[str, Recipe]:
    if isinstance(recipe, str):
        return recipe, load_recipe(recipe)
    require_recipe(recipe, recipe_name(recipe))
    return recipe_name(recipe), recipe


def _renderer(prompt: str | None, columns: list[str]) -> Callable[[Mapping[str, Any]], str]:
    if prompt is not None:
        if not prompt.strip():
            message = "the prompt is empty"
            raise UsageError(message, hint="say what to ask, like --prompt 'Summarise: {text}'")
        return Template(prompt, columns).render
    column = prompt_column(columns)
    return lambda data: str(data.get(column) or "")


def _spec(order: Order, recipe: str, prompt: str | None, schema: CheckedSchema | None, models: tuple[str, ...]) -> Spec:
    return Spec(
        recipe=recipe,
        prompt=prompt,
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
    unfinished = [row for row in same if row.state not in _OVER]
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
            diff = [change.name for change in changes(row.spec, prepared.spec)]
            if row.source.sha256 != prepared.mark.sha256:
                diff.append("the input's content")
            return [f"{row.id}: {', '.join(diff)}"] if diff else []
    return []

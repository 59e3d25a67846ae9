"""How the items of a batch are asked: its recipe by name, and what that recipe sends for a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from packmule.checks import Schema, load_schema
from packmule.compose.parts import Parts
from packmule.config import Order
from packmule.core.batch import CONVERSATION, DOCUMENT, DOCUMENT_RECIPES, EXTRACT_CITED, OWN_RECIPES, PROMPT
from packmule.core.rows import BatchRow
from packmule.engine.world import Recipe
from packmule.errors import UsageError
from packmule.recipes.conversation import conversation_recipe
from packmule.recipes.loading import load_recipe, recipe_name, require_recipe
from packmule.recipes.prompt import prompt_recipe
from packmule.sources.template import Template, prompt_column


@dataclass(frozen=True, slots=True)
class Asking:
    """A named recipe. `render` makes the prompt of a row where the recipe has one, `fields` are the columns in it."""

    name: str
    recipe: Recipe
    render: Callable[[Mapping[str, Any]], str] | None = None
    fields: list[str] = field(default_factory=list)


def asking_of(order: Order, columns: list[str], schema: Schema | None, models: tuple[str, ...], parts: Parts) -> Asking:
    """What an order asks. Raises UsageError where its words contradict each other or name nothing."""
    if order.recipe is not None and order.recipe not in OWN_RECIPES:
        if order.prompt is not None or order.schema is not None:
            message = "--recipe does its own asking, so --prompt and --schema have no place beside it"
            raise UsageError(message, hint="give the recipe its prompt and schema inside the function")
        return Asking(*_given(order.recipe))
    if not models:
        message = "no model is named"
        raise UsageError(message, hint="give one with --model, for example --model openai/gpt-5-mini or sim/small")
    if order.recipe == CONVERSATION:
        return Asking(CONVERSATION, conversation_recipe(schema, order.limits.retries_invalid))
    if order.recipe in DOCUMENT_RECIPES:
        return _extracting(str(order.recipe), schema, order.prompt, models, parts, order.limits.retries_invalid)
    template = _template(order.prompt, columns)
    recipe = prompt_recipe(template.render, schema, order.limits.retries_invalid)
    return Asking(PROMPT, recipe, template.render, template.fields)


def stored_recipe(row: BatchRow, parts: Parts, given: str | Callable[..., Any] | None = None) -> Recipe:
    """The recipe of a batch in the store; `given` says where a recipe of the user's is now."""
    spec = row.spec
    schema = load_schema(msgspec.json.decode(spec.schema)) if spec.schema is not None else None
    if spec.recipe in DOCUMENT_RECIPES:
        models = (row.round.model,) if row.round.model is not None else spec.models
        return _extracting(spec.recipe, schema, spec.prompt, models, parts, row.limits.retries_invalid).recipe
    if spec.recipe == CONVERSATION:
        return conversation_recipe(schema, row.limits.retries_invalid)
    if spec.recipe != PROMPT:
        return _given(given if given is not None else spec.recipe)[1]
    columns = list(row.ingest_notes.get("columns", ()))
    return prompt_recipe(_template(spec.prompt, columns).render, schema, row.limits.retries_invalid)


def _extracting(
    name: str, schema: Schema | None, prompt: str | None, models: tuple[str, ...], parts: Parts, retries_invalid: int
) -> Asking:
    from packmule.recipes.extract import Extract  # noqa: PLC0415 - brings along what other batches do without

    if schema is None and name != DOCUMENT:
        message = "no schema says what to extract"
        raise UsageError(message, hint="give one like --schema invoice.py:Invoice, or a JSON Schema file")
    native = all(parts.endpoint(model).reads_pdf for model in models)
    extract = Extract(schema, prompt, cited=name == EXTRACT_CITED, native=native)
    return Asking(name, extract.recipe(retries_invalid), extract.preview, ["path"])


def _given(recipe: str | Callable[..., Any]) -> tuple[str, Recipe]:
    if isinstance(recipe, str):
        return recipe, load_recipe(recipe)
    require_recipe(recipe, recipe_name(recipe))
    return recipe_name(recipe), recipe


def _template(prompt: str | None, columns: list[str]) -> Template:
    if prompt is None:
        return Template.of_column(prompt_column(columns))
    if not prompt.strip():
        message = "the prompt is empty"
        raise UsageError(message, hint="say what to ask, like --prompt 'Summarise: {text}'")
    return Template(prompt, columns)

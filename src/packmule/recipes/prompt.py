"""The main recipe: one prompt a row, one answer a row, checked by a schema when there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from packmule.core.items import Item
from packmule.core.ports import CheckedSchema
from packmule.errors import SourceError


def prompt_recipe(
    render: Callable[[Mapping[str, Any]], str], schema: CheckedSchema | None, retries_invalid: int
) -> Callable[..., Any]:
    """The recipe for a rendered prompt. Its output is the answer's text, or the schema's value."""

    async def recipe(item: Item, ask: Callable[..., Any]) -> object:
        prompt = render(item.data)
        if not prompt.strip():
            message = "the prompt is empty; nothing was sent"
            raise SourceError(message)
        reply = await ask(prompt, schema=schema)
        return reply.text if schema is None else reply

    # What one item may need at most, so that the money near the cap does not end in half-made items.
    recipe.calls_max = 1 if schema is None else 1 + retries_invalid  # type: ignore[attr-defined]
    return recipe

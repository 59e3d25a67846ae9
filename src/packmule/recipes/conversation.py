"""One conversation an item: its next turn in words, or by a schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packmule.core.items import Item
from packmule.core.ports import CheckedSchema


def conversation_recipe(schema: CheckedSchema | None, retries_invalid: int) -> Callable[..., Any]:
    """The recipe for rows with `messages`, and `system` where the conversation has its own."""

    async def recipe(item: Item, ask: Callable[..., Any]) -> object:
        reply = await ask(item["messages"], system=item.data.get("system"), schema=schema)
        return reply.text if schema is None else reply

    recipe.calls_max = 1 if schema is None else 1 + retries_invalid  # type: ignore[attr-defined]
    return recipe

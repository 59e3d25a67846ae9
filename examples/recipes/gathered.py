"""Two branches at once, each asking twice; both begin with the very same question."""

from __future__ import annotations

import asyncio


async def recipe(item, ask):
    """Ask for two summaries side by side and shorten each. Output: both short forms."""

    async def branch(name):
        first = (await ask(f"Summarise in one line: {item['text']}")).text
        return (await ask(f"Shorter, as {name}: {first}", label=name)).text

    return list(await asyncio.gather(branch("a title"), branch("a tag")))


recipe.calls_max = 4

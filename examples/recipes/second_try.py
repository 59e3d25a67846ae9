"""Catches a failure and takes another way; a replay takes the same one."""

from __future__ import annotations

from packmule import CallFailed


async def recipe(item, ask):
    """Ask in detail; if that call fails for good, ask simply. Output: the way taken and the text."""
    try:
        return {"way": "detailed", "text": (await ask(f"Explain in detail: {item['text']}")).text}
    except CallFailed as failure:
        simple = await ask(f"Summarise in one line: {item['text']}")
        return {"way": f"simple, because of {failure.kind}", "text": simple.text}


recipe.calls_max = 2

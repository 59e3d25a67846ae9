"""What is asked second depends on what was answered first."""

from __future__ import annotations


async def recipe(item, ask):
    """Decide whether a text complains, and only then draft an apology. Output: the way taken and the text."""
    verdict = (await ask(f"Does this text complain? Answer yes or no. {item['text']}", label="verdict")).text
    if "yes" in verdict.lower() or len(verdict) % 2:
        return {"way": "apology", "text": (await ask(f"Write one line of apology for: {verdict}")).text}
    thanks = (await ask(f"Write one line of thanks for: {verdict}")).text
    return {"way": "thanks", "text": (await ask(f"Make it warmer: {thanks}")).text}


recipe.calls_max = 3

"""Three dependent calls: each asks about what the one before answered."""

from __future__ import annotations


async def recipe(item, ask):
    """Name the complaint, weigh it, and draft a reply. Output: a dict of the three."""
    complaint = (await ask(f"Name the main point of this text in one line: {item['text']}", label="point")).text
    weight = (await ask(f"Is this point urgent or not urgent? Answer in one line. Point: {complaint}")).text
    reply = (await ask(f"Write a short reply to this point ({weight}): {complaint}", label="reply")).text
    return {"point": complaint, "weight": weight, "reply": reply}


recipe.calls_max = 3

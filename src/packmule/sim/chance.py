"""Seeded chance: the same seed and the same bytes give the same draws, whatever else happens at the time."""

from __future__ import annotations

import random
from hashlib import blake2b


def chance_of(seed: int, *parts: bytes | str | int) -> random.Random:
    """A source of chance of its own for each combination of parts."""
    digest = blake2b(str(seed).encode(), digest_size=8)
    for part in parts:
        digest.update(b"|")
        digest.update(part if isinstance(part, bytes) else str(part).encode())
    return random.Random(int.from_bytes(digest.digest(), "big"))

"""The parts a batch is given: nothing in the engine reaches for the world by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packmule.core.batch import Limits, Round, Spec
from packmule.core.calls import Answer
from packmule.core.items import ItemChange, Rng
from packmule.core.money import Price, discounted
from packmule.core.ports import BlobStore, CheckedSchema, Clock, Endpoint

Recipe = Callable[..., Awaitable[Any]]
"""async def recipe(item, ask) -> output. An attribute `calls_max` bounds how many calls one item makes."""


@dataclass(slots=True)
class World:
    """Clock, endpoints, schemas, blobs, chance; and what the batch itself says. Only `limits` ever changes.

    `scratch` is a folder for results on their way in. `pace` is how many seconds of the loop a second of the clock
    lasts; other than 1 in a demonstration only.
    """

    clock: Clock
    endpoint: Callable[[str], Endpoint]
    schema: Callable[[Any], CheckedSchema]
    check_text: Callable[[Answer], Any]
    blobs: BlobStore
    rng: Rng
    seeded: Callable[[str], Rng]
    recipe: Recipe
    spec: Spec
    batch_id: str
    limits: Limits = field(default_factory=Limits)
    round: Round = field(default_factory=Round)
    pace: float = 1.0
    scratch: Path = Path()

    def price(self, endpoint: Endpoint) -> Price:
        """What an attempt costs in the mode of now."""
        return price_of(endpoint, self.limits)


def price_of(endpoint: Endpoint, limits: Limits) -> Price:
    """The price of a model under these limits: in jobs mode that of its jobs."""
    return jobs_price(endpoint) if limits.mode == "jobs" else endpoint.price


def jobs_price(endpoint: Endpoint) -> Price:
    """What an attempt in a job costs; where there are no jobs, the price of a request."""
    face = endpoint.jobs()
    return endpoint.price if face is None else discounted(endpoint.price, face.limits.discount)


__all__ = ["ItemChange", "Recipe", "World", "jobs_price", "price_of"]

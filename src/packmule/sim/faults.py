"""Which fault a request meets, and what each does to the usage that is told and the usage that is billed.

Billed is what was really used, except where a provider's own count goes wrong (`usage_wrong`, `usage_oversized`):
there the bill follows the count that was told.
"""

from __future__ import annotations

import random

import msgspec

from packmule.sim.asked import Asked, Said
from packmule.sim.chance import chance_of
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Reported

NOT_DONE = frozenset(
    "status_401 status_402 status_403 status_429 status_502 status_503 status_529 quota reset_before html".split()
)
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>"
SPOILT_BODY = b'{"id":"box","object":"chat.completion","choices":[{"index":0,"message":{"role":"assist'
OVERSIZE = 10


class Draw:
    """Draws faults and latencies of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        chances = msgspec.structs.asdict(scenario.faults)
        self._chances = [(name, chance) for name, chance in chances.items() if chance > 0]

    def outage(self, since_s: float) -> str | None:
        """The kind of the outage that reigns `since_s` seconds after the start."""
        for outage in self._scenario.outages:
            if outage.from_s <= since_s < outage.to_s:
                return outage.kind
        return None

    def fault(self, digest: bytes, ordinal: int) -> str | None:
        """The fault of the `ordinal`-th request with these bytes, or None."""
        if not self._chances:
            return None
        drawn = chance_of(self._scenario.seed, "fault", digest, ordinal).random()
        for name, chance in self._chances:
            drawn -= chance
            if drawn < 0:
                return name
        return None

    def latency_s(self, chance: random.Random) -> float:
        """How long the work takes."""
        latency = self._scenario.latency
        return latency.median_s * chance.lognormvariate(0, latency.sigma) if latency.median_s else 0.0


def reported(fault: str | None, said: Said, asked: Asked) -> tuple[Reported | None, Reported]:
    """(told, billed)."""
    true = Reported(said.tokens_in, said.tokens_out)
    match fault:
        case "usage_missing":
            return None, true
        case "usage_zero":
            return Reported(0, 0), true
        case "usage_negative":
            return Reported(-true.tokens_in, -true.tokens_out), true
        case "usage_wrong":
            wrong = Reported(true.tokens_in + 1, true.tokens_out)
            return wrong, wrong
        case "usage_oversized":
            most = max(asked.tokens_out_max or 0, true.tokens_out)
            large = Reported(true.tokens_in * OVERSIZE, most * OVERSIZE)
            return large, large
        case _:
            return true, true

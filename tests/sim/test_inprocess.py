"""The provider behind the engine's seam sees what a socket would carry, and hands large answers on as one does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from packmule.core.calls import Fault, Received, WireRequest
from packmule.engine.clock import RealClock
from packmule.sim.inprocess import SimTransport
from packmule.sim.provider import Delivery, SimProvider
from packmule.sim.scenario import Scenario


class Listening(SimProvider):
    """Keeps the head of the last request."""

    async def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        self.heard = (method, path, dict(headers))
        return await super().handle(method, path, headers, body)


def fetched(url: str, *, size_max: int = 10**6) -> tuple[Received | Fault, bytes, Listening]:
    provider, kept = Listening(Scenario(), RealClock()), bytearray()
    request = WireRequest("GET", url, {"Accept": "x"}, b"")
    got = asyncio.run(SimTransport(provider, RealClock()).fetch(request, kept.extend, 5, size_max))
    return got, bytes(kept), provider


def test_query_and_host_arrive_as_over_a_socket() -> None:
    *_, provider = fetched("http://sim.invalid/v1/models?limit=2&after=a%2Fb")
    assert provider.heard == ("GET", "/v1/models?limit=2&after=a%2Fb", {"accept": "x", "host": "sim.invalid"})


def test_a_fetched_answer_goes_to_its_writer() -> None:
    got, kept, _ = fetched("http://sim.invalid/v1/models")
    assert isinstance(got, Received)
    assert (got.status, got.body) == (200, b"")
    assert b"small" in kept


def test_an_error_in_its_place_keeps_its_body_and_nothing_is_written() -> None:
    got, kept, _ = fetched("http://sim.invalid/v1/nothing")
    assert isinstance(got, Received)
    assert (got.status, kept) == (404, b"")
    assert b"Unknown address" in got.body


def test_an_answer_over_the_size_is_a_fault() -> None:
    got, kept, _ = fetched("http://sim.invalid/v1/models", size_max=10)
    assert isinstance(got, Fault)
    assert kept == b""

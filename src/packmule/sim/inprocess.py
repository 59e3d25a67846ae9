"""The provider behind the engine's own seam: no socket, and time is the clock that was passed in.

Every fault becomes the Fault that a real transport gives for it on a real socket. Only path and query of a URL matter.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from packmule.core.calls import Fault, FaultKind, Received, WireRequest
from packmule.core.ports import Clock
from packmule.sim.provider import Delivery, SimProvider

_HOST = "the provider in the box"


class SimTransport:
    """A Transport over a SimProvider."""

    def __init__(self, provider: SimProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock

    async def send(self, request: WireRequest, timeout_s: float) -> Received | Fault:
        """One exchange, bounded by `timeout_s` of the clock."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        parts = urlsplit(request.url)
        headers["host"] = parts.netloc
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        delivery = await self._provider.handle(request.method, path, headers, request.body)
        if delivery.how == "refused":
            return Fault("connect", "not_sent", f"could not connect to {_HOST}: Connection refused")
        took_s = _duration_s(delivery)
        await self._clock.sleep(min(took_s, timeout_s))
        if took_s >= timeout_s:
            kept = delivery.body[: _dripped(delivery, timeout_s)]
            return Fault("timeout", "unknown", f"{_HOST} gave no answer in time", body=kept)
        return _arrived(delivery)

    async def fetch(
        self, request: WireRequest, write: Callable[[bytes], object], timeout_s: float, size_max: int
    ) -> Received | Fault:
        """One exchange whose success goes to `write`; everything is in memory here."""
        got = await self.send(request, timeout_s)
        if isinstance(got, Fault) or got.status // 100 != 2:  # noqa: PLR2004 - the class of successes
            return got
        if len(got.body) > size_max:
            return Fault("malformed", "unknown", f"the answer is larger than {size_max:,} bytes")
        write(got.body)
        return Received(got.status, got.headers, b"")

    async def close(self) -> None:
        """There is nothing to give back."""


def _duration_s(delivery: Delivery) -> float:
    if delivery.how == "hang":
        return float("inf")
    drip_s = len(delivery.body) / delivery.drip_bytes_per_s if delivery.how == "drip" else 0.0
    return delivery.wait_s + drip_s


def _dripped(delivery: Delivery, timeout_s: float) -> int:
    """How many bytes of a dripping answer came in time."""
    if delivery.how != "drip":
        return 0
    return max(0, int((timeout_s - delivery.wait_s) * delivery.drip_bytes_per_s))


def _arrived(delivery: Delivery) -> Received | Fault:
    half = len(delivery.body) // 2
    match delivery.how:
        case "reset":
            return _lost("reset", f"{_HOST} broke the connection before it answered")
        case "cut":
            return _lost("cut", f"the answer of {_HOST} ended early", delivery.body[:half])
        case "short":
            return Received(delivery.status, delivery.headers, delivery.body[:half])
        case _:
            return Received(delivery.status, delivery.headers, delivery.body)


def _lost(kind: FaultKind, message: str, body: bytes = b"") -> Fault:
    return Fault(kind, "unknown", message, body=body)

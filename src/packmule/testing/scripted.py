"""An endpoint that answers from a function, with its own bill: the judge of the engine's books in tests.

The script sees the request's text and how often this very request came before, and returns text, a Fault, or a
(text, Usage) pair. It is billed the moment it answers or loses an answer, as a provider would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from packmule.core.calls import (
    Answer,
    BlobSource,
    Bounds,
    Fault,
    RateHint,
    Received,
    Request,
    Usage,
    canonical,
)
from packmule.core.money import Price, cost_of, flat
from packmule.core.ports import Clock, JobsFace

Said = str | Fault | tuple[str, Usage | None]
Script = Callable[[str, int], Said]
LatencyS = Callable[[], float]


class ScriptedEndpoint:
    """One model. `bill` maps a request's text to what it cost in picodollars in all, `sent` counts attempts."""

    growth_per_min: float | None = None
    place = ""
    jobs_face: JobsFace | None = None
    reads_pdf = True

    def __init__(
        self,
        clock: Clock,
        script: Script = lambda text, _: f"answer to {text}",
        *,
        model: str = "sim/scripted",
        price: Price | None = None,
        latency_s: LatencyS = lambda: 0.0,
        tokens_out_max: int = 100,
    ) -> None:
        self.model = model
        self.price = price or flat(250_000, 2_000_000, "scripted")
        self.bill: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.in_flight = self.in_flight_max = 0
        self._clock = clock
        self._script = script
        self._latency_s = latency_s
        self._tokens_out_max = tokens_out_max

    @property
    def billed(self) -> int:
        """The whole bill."""
        return sum(self.bill.values())

    def encode(self, request: Request, blobs: BlobSource) -> bytes:
        """The canonical form is this provider's wire form."""
        del blobs
        return canonical(request)

    def bounds(self, request: Request, body: bytes) -> Bounds:
        """Bytes in, the request's own bound or the default out."""
        return Bounds(len(body), request.max_output_tokens or self._tokens_out_max)

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        """Answer, or lose the answer after having billed it."""
        request = msgspec.json.decode(body, type=Request)
        text = request.messages[-1].text
        nth = self.sent[text]
        self.sent[text] += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await self._clock.sleep(min(self._latency_s(), timeout_s))
        finally:
            # Cancelled or not: what arrived is processed and billed.
            self.in_flight -= 1
            got = self._answer(text, nth, len(body))
        return got

    def _answer(self, text: str, nth: int, size: int) -> Received | Fault:
        said = self._script(text, nth)
        usage: Usage | None = Usage(max(1, size // 4), 10)
        if isinstance(said, Fault):
            if said.outcome == "unknown":
                self.bill[text] += cost_of(self.price, usage or Usage(1, 1))
                self.lost[text] += 1
            return said
        answer, reported = said if isinstance(said, tuple) else (said, usage)
        true = reported or usage or Usage(1, 1)
        self.bill[text] += cost_of(self.price, true)
        return Received(200, {}, msgspec.json.encode(Answer(answer, "stop", reported, self.model)))

    def decode(self, received: Received) -> Answer | Fault:
        """Back from the wire."""
        return msgspec.json.decode(received.body, type=Answer)

    def jobs(self) -> JobsFace | None:
        """None, unless a test gives it some."""
        return self.jobs_face

    def hint(self, received: Received) -> RateHint | None:
        """Nothing is said about limits."""
        del received
        return None

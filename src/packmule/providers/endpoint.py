"""One model at one provider, ready to be called: a codec joined with an address, a key, a price and a transport.

Its headers hold the key. They leave it only in a `WireRequest`, and a server that sends our own key back to us (in
an error, as some proxies do) gets it struck out before anybody sees or stores the answer.
"""

from __future__ import annotations

from packmule.core.calls import Answer, BlobSource, Bounds, Fault, RateHint, Received, Request, WireRequest
from packmule.core.money import Price
from packmule.core.ports import JobsFace, Transport
from packmule.providers.codec import Codec
from packmule.providers.jobs import JobsClient
from packmule.providers.jobs_codec import JobsCodec
from packmule.providers.keys import Key, without_key


class ModelEndpoint:
    """Fulfils `core.ports.Endpoint`. `name` is the model's name on the wire, `base_url` where its provider lives."""

    __slots__ = (
        "_codec",
        "_headers",
        "_jobs",
        "_key",
        "_name",
        "_transport",
        "_url",
        "growth_per_min",
        "model",
        "price",
        "reads_pdf",
    )

    def __init__(
        self,
        model: str,
        name: str,
        *,
        codec: Codec,
        base_url: str,
        key: Key | None,
        price: Price,
        growth_per_min: float | None,
        transport: Transport,
        jobs: JobsCodec | None = None,
        reads_pdf: bool = False,
    ) -> None:
        self.model = model
        self.price = price
        self.growth_per_min = growth_per_min
        self.reads_pdf = reads_pdf
        self._name = name
        self._codec = codec
        self._key = key
        self._url = codec.url(base_url, name)
        self._transport = transport
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        self._headers |= codec.headers(key.reveal() if key is not None else None)
        self._jobs = JobsClient(name, codec, jobs, base_url=base_url, key=key, transport=transport) if jobs else None

    def __repr__(self) -> str:
        return f"ModelEndpoint({self.model} at {self._url})"

    @property
    def url(self) -> str:
        """Where a request goes. It holds no key."""
        return self._url

    @property
    def place(self) -> str:
        """The same: what was learnt of one address says nothing of another."""
        return self._url

    def encode(self, request: Request, blobs: BlobSource) -> bytes:
        """The wire body. Raises UsageError for what this vendor cannot be asked."""
        return self._codec.encode(self._name, request, blobs)

    def bounds(self, request: Request, body: bytes) -> Bounds:
        """Upper bounds of tokens in and out."""
        return self._codec.bounds(self._name, request, body)

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        """One attempt on the wire."""
        request = WireRequest("POST", self._url, self._headers, body)
        return without_key(self._key, await self._transport.send(request, timeout_s))

    def decode(self, received: Received) -> Answer | Fault:
        """Read an answer; pure."""
        return self._codec.decode(received)

    def hint(self, received: Received) -> RateHint | None:
        """What the rate-limit headers say."""
        return self._codec.hint(received)

    def jobs(self) -> JobsFace | None:
        """Its batch jobs, None where the provider has none that we speak."""
        return self._jobs

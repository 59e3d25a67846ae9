"""The provider itself: bytes in, and what leaves and how. One core behind both faces (in process and HTTP).

The order of a request: route, outage, poison, body, limits, fault, answer, bill, delivery. The bill is written
before anything is delivered, so that an answer that is lost on its way was paid all the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Literal

from msgspec import Struct

from packmule.core.ports import Clock
from packmule.sim.answers import answer
from packmule.sim.asked import IMAGE_TOKENS, Asked, Refused, Said
from packmule.sim.bill import Bill, Billed, MemoryBill, PriceList
from packmule.sim.chance import chance_of
from packmule.sim.faults import NOT_DONE, PAGE, SPOILT_BODY, Draw, reported
from packmule.sim.hostile import spoilt
from packmule.sim.inventing import made_up
from packmule.sim.limits import Limiter
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Reported, Wire
from packmule.sim.wire_anthropic import AnthropicWire
from packmule.sim.wire_gemini import GeminiWire
from packmule.sim.wire_openai import OpenAIWire

How = Literal["whole", "reset", "refused", "hang", "cut", "short", "drip"]
_MODELS = ("small", "large")
_GEMINI_PATH = re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):generateContent$")
_JSON = {"content-type": "application/json"}
_POISONED = "The content of this request cannot be processed."
_MESSAGES = {
    401: "Incorrect API key provided.",
    402: "You exceeded your current quota, please check your plan and billing details.",
    403: "Your key may not use this model.",
    404: "Unknown address: {path}. This box speaks /v1/chat/completions, /v1/messages and /v1beta/models/…",
    429: "Rate limit reached for this model. Please try again in {wait}.",
    502: "Bad gateway.",
    503: "That model is currently overloaded with other requests.",
    504: "The request took too long.",
    529: "Overloaded",
}


class Delivery(Struct, frozen=True):
    """What leaves after `wait_s`, and `how`.

    `whole` as it is; `reset` nothing but a broken connection; `refused` no connection at all; `hang` nothing,
    ever; `cut` half the body; `short` all of it under half its length; `drip` in small pieces.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    how: How = "whole"
    wait_s: float = 0.0
    drip_bytes_per_s: float = 0.0


class SimProvider:
    """One provider for all three protocols. Without a `bill` it keeps its bill in memory, at `memory_bill`."""

    def __init__(self, scenario: Scenario, clock: Clock, bill: Bill | None = None) -> None:
        self.memory_bill = MemoryBill()
        self.scenario = scenario
        self._bill = bill or self.memory_bill
        self._clock = clock
        self._began_s = clock.now_s()
        self._prices = PriceList(scenario)
        self._limiter = Limiter(scenario.limits)
        self._draw = Draw(scenario)
        self._poison = [(re.compile(entry.pattern), entry.status) for entry in scenario.fail]
        self._seen: Counter[bytes] = Counter()
        self._openai, self._anthropic, self._gemini = OpenAIWire(), AnthropicWire(), GeminiWire()

    async def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        """One request. Header names in lower case. Never raises for what a client sends."""
        wire, model = self._route(path, headers)
        if wire is None:
            return self._error(self._openai, 404, "", path=path)
        if method == "GET":
            return self._list(wire, headers)
        if method != "POST":
            return self._error(wire, 405, "", said="Not allowed to do that here.")
        digest = sha256(body).digest()
        ordinal = self._seen[digest[:12]]
        self._seen[digest[:12]] += 1
        return await self._post(wire, model, dict(headers), body, digest, ordinal)

    async def _post(
        self, wire: Wire, model: str, headers: dict[str, str], body: bytes, digest: bytes, ordinal: int
    ) -> Delivery:
        mark = f"{digest.hex()[:20]}{ordinal:04x}"
        fault = self._draw.outage(self._clock.now_s() - self._began_s)
        if fault == "refused":
            return Delivery(0, {}, b"", "refused")
        asked = _read(wire, model, headers, body)
        if isinstance(asked, Refused):
            return self._error(wire, asked.status, mark, said=asked.message, param=asked.param)
        for pattern, status in self._poison:
            if pattern.search(asked.text):
                return self._error(
                    wire, status, mark, said=_POISONED if status < HTTPStatus.TOO_MANY_REQUESTS else None
                )
        said = answer(asked, chance_of(self.scenario.seed, "answer", digest))
        wait_s = self._limiter.admit(said.tokens_in + said.tokens_out, self._clock.now_s())
        if wait_s > 0:
            return self._error(wire, 429, mark, wait_s=wait_s)
        fault = fault or self._draw.fault(digest, ordinal)
        if fault in NOT_DONE:
            return self._not_done(wire, fault, mark)
        return await self._done(wire, asked, said, fault, digest, ordinal)

    def _route(self, path: str, headers: Mapping[str, str]) -> tuple[Wire | None, str]:
        path = path.partition("?")[0]
        if found := _GEMINI_PATH.match(path):
            return self._gemini, found.group(1)
        if path.endswith("/models") and (path.startswith("/v1beta") or "x-goog-api-key" in headers):
            return self._gemini, ""
        if path.endswith("/messages"):
            return self._anthropic, ""
        if path.endswith("/models"):
            return (self._anthropic if "anthropic-version" in headers else self._openai), ""
        return (self._openai if path.endswith("/chat/completions") else None), ""

    def _list(self, wire: Wire, headers: Mapping[str, str]) -> Delivery:
        del headers
        names = (*_MODELS, *sorted(self.scenario.prices))
        return Delivery(200, _JSON, _encoded(wire.models(names)))

    def _not_done(self, wire: Wire, fault: str | None, mark: str) -> Delivery:
        """The faults before the work: nothing is billed."""
        if fault == "reset_before":
            return Delivery(0, {}, b"", "reset")
        if fault == "html":
            return Delivery(200, {"content-type": "text/html"}, PAGE)
        if fault == "quota":
            return self._error(wire, 402, mark, as_status=wire.quota_status)
        status = int(str(fault).removeprefix("status_"))
        return self._error(wire, status, mark, wait_s=1.0 if status == HTTPStatus.TOO_MANY_REQUESTS else None)

    async def _done(
        self, wire: Wire, asked: Asked, said: Said, fault: str | None, digest: bytes, ordinal: int
    ) -> Delivery:
        """The work is done and billed; now it is delivered, or lost."""
        scenario = self.scenario
        chance = chance_of(scenario.seed, "delivery", digest, ordinal)
        if scenario.manner != "plain" and chance.random() < scenario.manner_probability:
            said = (spoilt if scenario.manner == "hostile" else made_up)(asked, said, chance)
        told, billed = reported(fault, said, asked)
        await self._charge(wire, asked.model, billed, fault or "answered", digest)
        mark = f"{digest.hex()[:20]}{ordinal:04x}"
        wait_s = self._draw.latency_s(chance)
        if fault in {"status_500", "status_504"}:
            return self._error(wire, int(fault[-3:]), mark, after_s=wait_s)
        utc_s = self._clock.utc_us() // 1_000_000
        body = SPOILT_BODY if fault == "malformed" else _encoded(wire.answer(asked, said, told, mark, utc_s))
        headers = _JSON | wire.headers(self._limiter.rates(utc_s), mark)
        return Delivery(200, headers, body, _how(fault), wait_s, scenario.latency.drip_bytes_per_s)

    async def _charge(self, wire: Wire, model: str, usage: Reported, outcome: str, digest: bytes) -> None:
        cost = self._prices.cost_pico(wire.name, model, usage.tokens_in, usage.tokens_out)
        line = Billed(
            request=digest.hex(),
            vendor=wire.name,
            model=model,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            cost_pico=cost,
            utc_us=self._clock.utc_us(),
            outcome=outcome,
        )
        await self._bill.record(line)

    def _error(
        self,
        wire: Wire,
        status: int,
        mark: str,
        *,
        said: str | None = None,
        param: str | None = None,
        path: str = "",
        wait_s: float | None = None,
        after_s: float = 0.0,
        as_status: int | None = None,
    ) -> Delivery:
        """An error as the vendor words it."""
        if said is None:
            said = _MESSAGES.get(status, "The server had an error while processing your request.")
            said = said.format(path=path, wait=f"{wait_s or 0:.3f}s")
        headers = _JSON | wire.headers(self._limiter.rates(self._clock.utc_us() / 1e6), mark)
        if wait_s is not None:
            headers["retry-after"] = str(max(1, round(wait_s + 0.5)))
            if wire.name == "openai":
                headers["retry-after-ms"] = str(round(wait_s * 1000) + 1)
        body = _encoded(wire.error(status, said, param=param, wait_s=wait_s))
        return Delivery(as_status or status, headers, body, wait_s=after_s)


def _read(wire: Wire, model: str, headers: dict[str, str], body: bytes) -> Asked | Refused:
    try:
        data = json.loads(body)
    except ValueError:
        return Refused(400, "We could not parse the JSON body of your request.")
    if not isinstance(data, dict):
        return Refused(400, "The body of your request must be a JSON object.")
    asked = wire.parse(model, headers, data)
    if isinstance(asked, Asked) and asked.images * IMAGE_TOKENS > len(body):
        return Refused(400, "An image of no bytes cannot be read.")
    return asked


def _how(fault: str | None) -> How:
    match fault:
        case "timeout":
            return "hang"
        case "reset_after":
            return "reset"
        case "cut" | "drip":
            return fault
        case "wrong_length":
            return "short"
        case _:
            return "whole"


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

"""The provider itself: bytes in, and what leaves and how. One core behind both faces (in process and HTTP).

The order of a call: route, outage, poison, body, limits, fault, answer, bill, delivery. The bill is written
before anything is delivered, so that an answer that is lost on its way was paid all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from packmule.core.ports import Clock
from packmule.sim.asked import Asked, Refused, Said
from packmule.sim.bill import Bill, MemoryBill, PriceList
from packmule.sim.chance import chance_of
from packmule.sim.faults import NOT_DONE, PAGE, SPOILT_BODY, Draw, reported
from packmule.sim.jobs_desk import Found, JobsDesk
from packmule.sim.limits import Limiter
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Wire, encoded, read_object, worded
from packmule.sim.wire_anthropic import AnthropicWire
from packmule.sim.wire_gemini import GeminiWire
from packmule.sim.wire_openai import OpenAIWire
from packmule.sim.work import Work

How = Literal["whole", "reset", "refused", "hang", "cut", "short", "drip"]
_MODELS = ("small", "large")
_GEMINI_PATH = re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):generateContent$")
_JSON = {"content-type": "application/json"}


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
    """One provider for all three protocols. Without a `bill` it keeps its bill in memory, at `memory_bill`.

    `jobs_file` keeps batch jobs; without one they end with the provider. `asked` counts the requests by what they
    want: `call`, `create`, `poll`, `list`, `cancel`, `download`, `upload` …; `log` says that and which jobs were made.
    """

    def __init__(
        self, scenario: Scenario, clock: Clock, bill: Bill | None = None, jobs_file: Path | None = None
    ) -> None:
        self.memory_bill = MemoryBill()
        self.scenario = scenario
        self._bill = bill or self.memory_bill
        self._clock = clock
        self._began_s = clock.now_s()
        self._prices = PriceList(scenario)
        self._limiter = Limiter(scenario.limits)
        self._draw = Draw(scenario)
        self._work = Work(scenario)
        self._seen: Counter[bytes] = Counter()
        self._openai, self._anthropic, self._gemini = OpenAIWire(), AnthropicWire(), GeminiWire()
        wires = (self._openai, self._anthropic, self._gemini)
        self._jobs = JobsDesk(scenario, clock, self._bill, wires, jobs_file)
        self.asked: Counter[str] = Counter()

    @property
    def log(self) -> dict[str, Any]:
        """How often was asked for what, and every job that a client made, in their order."""
        jobs = [{"id": job.id, "vendor": job.vendor, "lines": len(job.lines)} for job in self._jobs.store.made()]
        return {"asked": dict(self.asked), "jobs": jobs}

    async def close(self) -> None:
        """Finish the work that is due, and the file of the jobs."""
        await self._jobs.close()

    async def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        """One request, with its query in the path. Header names in lower case. Never raises for what a client sends."""
        await self._jobs.catch_up()
        path, _, query = path.partition("?")
        if (method, path) == ("GET", "/sim/log"):
            return Delivery(200, _JSON, encoded(self.log))
        wire, model = self._route(path, headers)
        if wire is None:
            if found := self._jobs.find(method, path, headers):
                return await self._job(found, f"{method} {path}?{query}".encode(), query, dict(headers), body)
            return self._error(self._openai, 404, "", path=path)
        if method == "GET":
            return self._list(wire, headers)
        if method != "POST":
            return self._error(wire, 405, "", said="Not allowed to do that here.")
        self.asked["call"] += 1
        digest = sha256(body).digest()
        return await self._post(wire, model, dict(headers), body, digest, self._ordinal(digest))

    def _ordinal(self, digest: bytes) -> int:
        """How many requests with these bytes came before."""
        self._seen[digest[:12]] += 1
        return self._seen[digest[:12]] - 1

    async def _job(self, found: Found, place: bytes, query: str, headers: dict[str, str], body: bytes) -> Delivery:
        """One request about batch jobs. It can be refused and lost like any other, and in ways of its own."""
        self.asked[found.verb] += 1
        wire, digest = found.api.wire, sha256(place + b" " + body).digest()
        ordinal = self._ordinal(digest)
        mark = f"{digest.hex()[:20]}{ordinal:04x}"
        fault = self._draw.outage(self._clock.now_s() - self._began_s) or self._draw.fault(digest, ordinal)
        if fault == "refused":
            return Delivery(0, {}, b"", "refused")
        if fault in NOT_DONE:
            return self._not_done(wire, fault, mark)
        trouble = self._jobs.trouble(found, chance_of(self.scenario.seed, "trouble", digest, ordinal))
        if trouble == "refused":
            return self._error(wire, 429, mark, wait_s=1.0)
        told = await self._jobs.answer(found, query, headers, body, mark)
        if isinstance(told, Refused):
            return self._error(wire, told.status, mark, said=told.message, param=told.param)
        if fault in {"status_500", "status_504"}:
            return self._error(wire, int(fault[-3:]), mark)
        how = "reset" if trouble == "lost" else "cut" if trouble == "cut" and told.results else _how(fault)
        sent = SPOILT_BODY if fault == "malformed" else told.body
        kind = {"content-type": told.kind} | wire.headers(self._limiter.rates(self._clock.utc_us() / 1e6), mark)
        return Delivery(200, kind, sent, how, drip_bytes_per_s=self.scenario.latency.drip_bytes_per_s)

    async def _post(
        self, wire: Wire, model: str, headers: dict[str, str], body: bytes, digest: bytes, ordinal: int
    ) -> Delivery:
        mark = f"{digest.hex()[:20]}{ordinal:04x}"
        fault = self._draw.outage(self._clock.now_s() - self._began_s)
        if fault == "refused":
            return Delivery(0, {}, b"", "refused")
        asked = self._read(wire, model, headers, body)
        if isinstance(asked, Refused):
            return self._error(wire, asked.status, mark, said=asked.message, param=asked.param)
        if refused := self._work.poisoned(asked):
            return self._error(wire, refused.status, mark, said=refused.message)
        said = self._work.say(asked, digest)
        wait_s = self._limiter.admit(said.tokens_in + said.tokens_out, self._clock.now_s())
        if wait_s > 0:
            return self._error(wire, 429, mark, wait_s=wait_s)
        fault = fault or self._draw.fault(digest, ordinal)
        if fault in NOT_DONE:
            return self._not_done(wire, fault, mark)
        return await self._done(wire, asked, said, fault, digest, ordinal)

    def _read(self, wire: Wire, model: str, headers: dict[str, str], body: bytes) -> Asked | Refused:
        data = read_object(body)
        return data if isinstance(data, Refused) else self._work.read(wire, model, headers, data, len(body))

    def _route(self, path: str, headers: Mapping[str, str]) -> tuple[Wire | None, str]:
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
        return Delivery(200, _JSON, encoded(wire.models(names)))

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
        said = self._work.spoil(asked, said, chance)
        told, billed = reported(fault, said, asked)
        utc_us = self._clock.utc_us()
        await self._bill.record(self._prices.billed(wire, asked.model, billed, digest, fault or "answered", utc_us))
        mark = f"{digest.hex()[:20]}{ordinal:04x}"
        wait_s = self._draw.latency_s(chance)
        if fault in {"status_500", "status_504"}:
            return self._error(wire, int(fault[-3:]), mark, after_s=wait_s)
        utc_s = utc_us // 1_000_000
        body = SPOILT_BODY if fault == "malformed" else encoded(wire.answer(asked, said, told, mark, utc_s))
        headers = _JSON | wire.headers(self._limiter.rates(utc_s), mark)
        return Delivery(200, headers, body, _how(fault), wait_s, scenario.latency.drip_bytes_per_s)

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
        said = said or worded(status, path, wait_s or 0.0)
        headers = _JSON | wire.headers(self._limiter.rates(self._clock.utc_us() / 1e6), mark)
        if wait_s is not None:
            headers["retry-after"] = str(max(1, round(wait_s + 0.5)))
            if wire.name == "openai":
                headers["retry-after-ms"] = str(round(wait_s * 1000) + 1)
        body = encoded(wire.error(status, said, param=param, wait_s=wait_s))
        return Delivery(as_status or status, headers, body, wait_s=after_s)


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

"""The provider's own bill: what it charged, on disk before the answer leaves. Ledgers are measured by it.

One JSON line for each billed call, whether its answer arrived or not. Prices come from the scenario, from
genai-prices or from the two models of the box: an independent computation, on purpose.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Protocol

import msgspec
from genai_prices import Usage, calc_price
from msgspec import Struct

from packmule.core.money import PER_MILLION, PICO
from packmule.sim.scenario import ModelPrice, Scenario

DEFAULT_PRICE = ModelPrice(input=0.25, output=2.0)
LARGE_PRICE = ModelPrice(input=3.0, output=15.0)
_LISTED_BY = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}


class Billed(Struct, frozen=True):
    """One billed call. `outcome` is what was sent: `answered`, or the fault that lost or spoiled it."""

    request: str
    vendor: str
    model: str
    tokens_in: int
    tokens_out: int
    cost_pico: int
    utc_us: int
    outcome: str


class Totals(Struct, frozen=True):
    """A whole bill. `by_request` counts the billed calls of each request digest."""

    calls: int
    tokens_in: int
    tokens_out: int
    cost_pico: int
    by_request: Counter[str]
    cost_by_request: Counter[str]
    by_outcome: Counter[str]


class Bill(Protocol):
    """Where billed calls are written down."""

    async def record(self, billed: Billed) -> None:
        """Return only when the line is kept."""
        ...


class MemoryBill:
    """A bill that lives as long as the provider."""

    def __init__(self) -> None:
        self.lines: list[Billed] = []

    async def record(self, billed: Billed) -> None:
        """Keep the line."""
        self.lines.append(billed)

    @property
    def totals(self) -> Totals:
        """The sums so far."""
        return total(self.lines)


class FileBill:
    """Appends to a file; lines that come while the disk works are written and synced together."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._waiting: list[bytes] = []
        self._recorded = self._synced = 0
        self._writing = threading.Lock()
        self._turn = asyncio.Lock()

    async def record(self, billed: Billed) -> None:
        """Return when the line is on disk. The first of those who wait writes for all of them."""
        self._waiting.append(msgspec.json.encode(billed) + b"\n")
        self._recorded += 1
        mine = self._recorded
        async with self._turn:
            if self._synced < mine:
                await asyncio.to_thread(self._write)

    def close(self) -> None:
        """Write what waits and close the file."""
        self._write()
        os.close(self._file)

    def _write(self) -> None:
        with self._writing:
            lines, self._waiting = self._waiting, []
            left = memoryview(b"".join(lines))
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
            self._synced += len(lines)


def read_bill(path: Path) -> Totals:
    """The sums of a bill file. A last line that was being written is left out: its answer never left."""
    data = path.read_bytes() if path.exists() else b""
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return total([msgspec.json.decode(line, type=Billed) for line in lines])


def total(lines: list[Billed]) -> Totals:
    """The sums of billed calls."""
    costs: Counter[str] = Counter()
    for line in lines:
        costs[line.request] += line.cost_pico
    return Totals(
        calls=len(lines),
        tokens_in=sum(line.tokens_in for line in lines),
        tokens_out=sum(line.tokens_out for line in lines),
        cost_pico=sum(line.cost_pico for line in lines),
        by_request=Counter(line.request for line in lines),
        cost_by_request=costs,
        by_outcome=Counter(line.outcome for line in lines),
    )


class PriceList:
    """What each model costs here."""

    def __init__(self, scenario: Scenario) -> None:
        self._stated = scenario.prices

    def cost_pico(self, vendor: str, model: str, tokens_in: int, tokens_out: int) -> int:
        """Picodollars for one call."""
        stated = self._stated.get(model) or self._stated.get(f"{vendor}/{model}") or _of_the_box(model)
        if stated is not None:
            return _at(stated, tokens_in, tokens_out)
        return _listed(vendor, model, tokens_in, tokens_out)


def _of_the_box(model: str) -> ModelPrice | None:
    name = model.removeprefix("sim/")
    if name == "large":
        return LARGE_PRICE
    return DEFAULT_PRICE if name == "small" or model.startswith("sim/") else None


def _at(price: ModelPrice, tokens_in: int, tokens_out: int) -> int:
    def pico(dollars_per_million: float) -> int:
        return int((Decimal(str(dollars_per_million)) * PER_MILLION).to_integral_value(rounding=ROUND_HALF_EVEN))

    return tokens_in * pico(price.input) + tokens_out * pico(price.output)


def _listed(vendor: str, model: str, tokens_in: int, tokens_out: int) -> int:
    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
    try:
        cost = calc_price(usage, model, provider_id=_LISTED_BY[vendor]).total_price
    except LookupError:
        return _at(DEFAULT_PRICE, tokens_in, tokens_out)
    return int((Decimal(cost) * PICO).to_integral_value(rounding=ROUND_HALF_EVEN))

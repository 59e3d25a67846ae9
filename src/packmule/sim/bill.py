"""The provider's own bill: what it charged, on disk before the answer leaves. Ledgers are measured by it.

One JSON line for each billed call, whether its answer arrived or not, and for each billed line of a job, at half the
price. Prices come from the scenario, from genai-prices or from the two models of the box: an independent computation,
on purpose.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Protocol

import msgspec
from genai_prices import Usage, calc_price
from msgspec import Struct

from packmule.core.money import PER_MILLION, PICO
from packmule.sim.kept import KeptLines, kept_lines
from packmule.sim.scenario import ModelPrice, Scenario
from packmule.sim.wire import Reported, Wire

DEFAULT_PRICE = ModelPrice(input=0.25, output=2.0)
LARGE_PRICE = ModelPrice(input=3.0, output=15.0)
_LISTED_BY = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}


class Billed(Struct, frozen=True):
    """One billed call. `outcome` is what was sent: `answered`, or the fault that lost or spoiled it.

    A line of a job has the job's id and its custom id; a call of its own has neither.
    """

    request: str
    vendor: str
    model: str
    tokens_in: int
    tokens_out: int
    cost_pico: int
    utc_us: int
    outcome: str
    job: str = ""
    custom_id: str = ""


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
    """Where billed calls are written down. `paid` are the (job, custom id) that stood in it when it was opened."""

    paid: frozenset[tuple[str, str]]

    async def record(self, *billed: Billed) -> None:
        """Return only when the lines are kept."""
        ...


class MemoryBill:
    """A bill that lives as long as the provider."""

    paid: frozenset[tuple[str, str]] = frozenset()

    def __init__(self) -> None:
        self.lines: list[Billed] = []

    async def record(self, *billed: Billed) -> None:
        """Keep the lines."""
        self.lines.extend(billed)

    @property
    def totals(self) -> Totals:
        """The sums so far."""
        return total(self.lines)


class FileBill:
    """A bill in a file."""

    def __init__(self, path: Path) -> None:
        self._lines = KeptLines(path)
        self.paid = frozenset((line.job, line.custom_id) for line in read_lines(path) if line.job)

    async def record(self, *billed: Billed) -> None:
        """Return when the lines are on disk."""
        await self._lines.add(*map(msgspec.json.encode, billed))

    def close(self) -> None:
        """Write what waits and close the file."""
        self._lines.close()


def read_bill(path: Path) -> Totals:
    """The sums of a bill file."""
    return total(read_lines(path))


def read_lines(path: Path) -> list[Billed]:
    """The lines of a bill file, as they were written."""
    return [msgspec.json.decode(line, type=Billed) for line in kept_lines(path)]


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

    def billed(
        self, wire: Wire, model: str, usage: Reported, request: bytes, outcome: str, utc_us: int, job: str = "",
        custom_id: str = "",
    ) -> Billed:  # fmt: skip
        """A line of the bill for a request with this digest. A line of a job costs half."""
        cost = self.cost_pico(wire.name, model, usage.tokens_in, usage.tokens_out)
        return Billed(
            request=request.hex(),
            vendor=wire.name,
            model=model,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            cost_pico=cost // 2 if job else cost,
            utc_us=utc_us,
            outcome=outcome,
            job=job,
            custom_id=custom_id,
        )


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

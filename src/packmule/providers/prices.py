"""Prices: the user's word first, then genai-prices' bundled snapshot (no network). Unknown is never zero.

Where a price depends on the time of day, the dearest of the day is taken, and where output that reasons is priced
apart, the dearer: a worst case must hold around the clock. Cache writes are priced at the rate of the short
cache: no request of ours asks for the long one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import Any

from packmule.core.money import PER_MILLION, PICO, Price, Tiers, flat
from packmule.errors import PriceUnknown

HINT = "state it with --price-in and --price-out (dollars per million tokens), or declare it free with --free"
SIM = {"sim/small": (250_000, 2_000_000), "sim/large": (3_000_000, 15_000_000)}
SIM_OTHER = SIM["sim/small"]
# Our providers that have a public price list, and their names in genai-prices.
LISTS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "groq": "groq",
    "cerebras": "cerebras",
    "openrouter": "openrouter",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "x-ai",
    "together": "together",
}
_MILLION = 10**6


class PriceBook:
    """`overrides` by full model name win. `utc_us` is the moment whose prices are meant; None: the newest known."""

    def __init__(self, overrides: Mapping[str, Price] | None = None, utc_us: int | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._at = None if utc_us is None else datetime.fromtimestamp(utc_us / 1e6, UTC)

    def price(self, model: str) -> Price:
        """The price of a full model name. Raises PriceUnknown with what to type."""
        found = self._overrides.get(model)
        if found is not None:
            return found
        provider, _, name = model.partition("/")
        if provider == "sim":
            return flat(*SIM.get(model, SIM_OTHER), "sim")
        price = self._listed(provider, name)
        if price is None:
            raise self._unknown(model, provider)
        return price

    def known_models(self, prefix: str = "") -> list[tuple[str, int, int, str, str]]:
        """(model, picodollars per million tokens in, out, source, day) of the models that begin so."""
        found = [(name, a * _MILLION, b * _MILLION, "sim", "") for name, (a, b) in SIM.items()]
        day = self._day()
        for name, listed in self._all():
            price = _price(listed, day)
            if price is not None:
                into, out = price.input[0][1] * _MILLION, price.output[0][1] * _MILLION
                found.append((name, into, out, price.source, price.day))
        wanted = prefix.strip().lower()
        return sorted(row for row in found if row[0].startswith(wanted) or row[0].partition("/")[2].startswith(wanted))

    def _listed(self, provider: str, name: str) -> Price | None:
        if provider not in LISTS:
            return None
        try:
            _, model = _snapshot().find_provider_model(name, None, LISTS[provider], None)
        except LookupError:
            return None
        return _price(self._of(model), self._day())

    def _unknown(self, model: str, provider: str) -> PriceUnknown:
        names = [name for name, *_ in self.known_models(f"{provider}/")]
        near = get_close_matches(model, names, 1, 0.8)
        message = f"the price of {model} is not known, and unknown is not zero"
        return PriceUnknown(message, hint=f"did you mean {near[0]}? Otherwise {HINT}" if near else HINT)

    def _day(self) -> str:
        return _newest_day("9999" if self._at is None else self._at.date().isoformat())

    def _of(self, model: Any) -> list[Any]:  # noqa: ANN401 - genai-prices' ModelInfo
        """The prices that may apply now: one, or all those of a day."""
        if not isinstance(model.prices, list):
            return [model.prices]
        active = [model.prices[0].prices]
        for conditional in model.prices:
            limit = conditional.constraint
            if limit is None:
                active = [conditional.prices]
            elif hasattr(limit, "start_time"):
                active.append(conditional.prices)
            elif self._at is None or limit.active(self._at):
                active = [conditional.prices]
        return active

    def _all(self) -> Iterator[tuple[str, list[Any]]]:
        ours = {theirs: name for name, theirs in LISTS.items()}
        for provider in _snapshot().providers:
            if provider.id in ours:
                for model in provider.models:
                    yield f"{ours[provider.id]}/{model.id}", self._of(model)


def listed_owner(name: str) -> str | None:
    """The provider of ours that the price list knows for a bare name."""
    try:
        found, _ = _snapshot().find_provider_model(name, None, None, None)
    except LookupError:
        return None
    return next((ours for ours, theirs in LISTS.items() if theirs == found.id), None)


def _price(candidates: list[Any], day: str) -> Price | None:
    prices = [price for price in (_one(candidate, day) for candidate in candidates) if price is not None]
    return max(prices, key=lambda price: (price.output[-1][1], price.input[-1][1]), default=None)


def _one(listed: Any, day: str) -> Price | None:  # noqa: ANN401 - genai-prices' ModelPrice
    into = _tiers(listed.input_mtok)
    out = max((_tiers(listed.output_mtok), _tiers(listed.output_reasoning_mtok)), key=_last)
    if not into or not _tiers(listed.output_mtok):
        return None
    return Price(
        into,
        out,
        source=f"genai-prices {version('genai-prices')}",
        day=day,
        cached=_tiers(listed.cache_read_mtok),
        cache_write=_tiers(listed.cache_write_mtok),
        request=_rounded_up((listed.requests_kcount or Decimal(0)) * PICO / 1000),
    )


def _last(tiers: Tiers) -> int:
    return tiers[-1][1] if tiers else -1


def _tiers(value: Any) -> Tiers:  # noqa: ANN401 - Decimal, genai-prices' TieredPrices or None
    """Their tier begins above its start, ours at it."""
    if value is None:
        return ()
    if isinstance(value, Decimal):
        return ((0, _rounded_up(value * PER_MILLION)),)
    above = ((tier.start + 1, _rounded_up(tier.price * PER_MILLION)) for tier in value.tiers)
    return ((0, _rounded_up(value.base * PER_MILLION)), *above)


def _rounded_up(pico: Decimal) -> int:
    return -int(-pico // 1)


def _snapshot() -> Any:  # noqa: ANN401 - genai-prices' DataSnapshot
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

    return get_snapshot()


@cache
def _newest_day(before: str) -> str:
    """The newest dated price that applies by then: the snapshot is of that day or later."""
    dates = [
        start.isoformat()
        for provider in _snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for conditional in model.prices
        if (start := getattr(conditional.constraint, "start_date", None)) is not None
    ]
    return max((day for day in dates if day <= before), default="")

"""Prices: the user's word first, then genai-prices' bundled snapshot (no network). Unknown is never zero.

Where a price depends on the time of day, the dearest of the day is taken: a worst case must hold around the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

from packmule.core.money import PER_MILLION, PICO, Price, Tiers, flat
from packmule.errors import PriceUnknown

HINT = "state it with --price-in and --price-out (dollars per million tokens), or declare it with --free"
SIM = {"sim/large": (3_000_000, 15_000_000)}
SIM_DEFAULT = (250_000, 2_000_000)
# Our provider names, where genai-prices has another.
NAMES = {"gemini": "google", "xai": "x-ai"}


class PriceBook:
    """`overrides` by full model name win. `utc_us` is the moment whose prices are meant."""

    def __init__(self, overrides: Mapping[str, Price] | None = None, utc_us: int | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._at = None if utc_us is None else datetime.fromtimestamp(utc_us / 1e6, UTC)

    def price(self, model: str) -> Price:
        """The price of a full model name. Raises PriceUnknown."""
        found = self._overrides.get(model)
        if found is not None:
            return found
        provider, _, name = model.partition("/")
        if provider == "sim":
            return flat(*SIM.get(model, SIM_DEFAULT), "sim")
        price = self._listed(NAMES.get(provider, provider), name)
        if price is None:
            message = f"the price of {model} is not known, and unknown is not zero"
            raise PriceUnknown(message, hint=HINT)
        return price

    def known_models(self, prefix: str = "") -> list[tuple[str, int, int, str, str]]:
        """(model, picodollars per million tokens in, out, source, day) of known models that begin so."""
        rows = [("sim/large", *SIM["sim/large"]), ("sim/small", *SIM_DEFAULT)]
        found = [(name, a * 10**6, b * 10**6, "sim", "") for name, a, b in rows if name.startswith(prefix)]
        day = self._day()
        for name, prices in self._all():
            if name.startswith(prefix) or name.partition("/")[2].startswith(prefix):
                price = _price(prices, day)
                if price is not None:
                    into, out = price.input[0][1] * 10**6, price.output[0][1] * 10**6
                    found.append((name, into, out, price.source, price.day))
        return sorted(found)

    def _listed(self, provider: str, name: str) -> Price | None:
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

        try:
            _, model = get_snapshot().find_provider_model(name, None, provider, None)
        except LookupError:
            return None
        return _price(self._of(model), self._day())

    def _day(self) -> str:
        return _day("9999" if self._at is None else self._at.date().isoformat())

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
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

        ours = {theirs: name for name, theirs in NAMES.items()}
        for provider in get_snapshot().providers:
            for model in provider.models:
                yield f"{ours.get(provider.id, provider.id)}/{model.id}", self._of(model)


def _price(candidates: list[Any], day: str) -> Price | None:
    prices = [price for price in (_one(candidate, day) for candidate in candidates) if price is not None]
    return max(prices, key=lambda price: (price.output[-1][1], price.input[-1][1]), default=None)


def _one(listed: Any, day: str) -> Price | None:  # noqa: ANN401 - genai-prices' ModelPrice
    into, out = (_tiers(getattr(listed, name, None)) for name in ("input_mtok", "output_mtok"))
    if not into or not out:
        return None
    return Price(
        into,
        out,
        source=f"genai-prices {version('genai-prices')}",
        day=day,
        cached=_tiers(getattr(listed, "cache_read_mtok", None)),
        cache_write=_dearest(listed),
        request=_per_request(listed),
    )


def _per_request(listed: Any) -> int:  # noqa: ANN401 - genai-prices' ModelPrice
    """Dollars a thousand requests as picodollars each."""
    value = getattr(listed, "requests_kcount", None)
    return 0 if value is None else -int(-(value * PICO) // 1000)


def _dearest(listed: Any) -> Tiers:  # noqa: ANN401 - genai-prices' ModelPrice
    found = [_tiers(getattr(listed, name, None)) for name in ("cache_write_mtok", "cache_write_1h_mtok")]
    return max((tiers for tiers in found if tiers), key=lambda tiers: tiers[-1][1], default=())


def _tiers(value: Any) -> Tiers:  # noqa: ANN401 - Decimal or genai-prices' TieredPrices
    if value is None:
        return ()
    if isinstance(value, Decimal):
        return ((0, _pico(value)),)
    return ((0, _pico(value.base)), *((tier.start, _pico(tier.price)) for tier in value.tiers))


def _pico(per_million: Any) -> int:  # noqa: ANN401 - Decimal or None
    """Dollars a million as picodollars each, rounded up."""
    return 0 if per_million is None else -int(-(per_million * PER_MILLION) // 1)


@cache
def _day(before: str) -> str:
    """The newest dated price that applies by now: the snapshot is of that day or later."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

    dates = [
        start.isoformat()
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for conditional in model.prices
        if (start := getattr(conditional.constraint, "start_date", None)) is not None
    ]
    return max((day for day in dates if day <= before), default="")

"""Money in integers: picodollars (1e-12 USD), so that a token price is exact. Decimal only at the edges.

Unknown is never zero: a price that is not known is no Price at all.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

from msgspec import Struct

from packmule.core.calls import Bounds, Usage

PICO = 10**12
MOST_USD = Decimal(10) ** 15
PER_MILLION = PICO // 10**6

Tiers = tuple[tuple[int, int], ...]
"""((from_tokens_in, pico_per_token), ...) in rising order, the first from 0: the tier is chosen by the input's size."""


class Price(Struct, frozen=True):
    """Picodollars per token of one model, with where the figures are from and of which day.

    `cached` and `cache_write` default to the input price when the provider names none. `request` is a flat
    amount per call.
    """

    input: Tiers
    output: Tiers
    source: str
    day: str = ""
    cached: Tiers = ()
    cache_write: Tiers = ()
    request: int = 0

    @property
    def free(self) -> bool:
        """True when no token can cost anything."""
        return worst_case(self, Bounds(tokens_in=1, tokens_out=1)) == 0


FREE = Price(input=((0, 0),), output=((0, 0),), source="declared free")


def flat(input_pico: int, output_pico: int, source: str, day: str = "") -> Price:
    """A price without tiers, in picodollars per token."""
    return Price(input=((0, input_pico),), output=((0, output_pico),), source=source, day=day)


def discounted(price: Price, share: tuple[int, int]) -> Price:
    """A part of a price, rounded up: what a batch job costs."""

    def part(pico: int) -> int:
        return -(-pico * share[0] // share[1])

    def each(tiers: Tiers) -> Tiers:
        return tuple((start, part(pico)) for start, pico in tiers)

    return Price(
        each(price.input),
        each(price.output),
        price.source,
        price.day,
        each(price.cached),
        each(price.cache_write),
        part(price.request),
    )


def per_token(tiers: Tiers, tokens_in: int) -> int:
    """The rate that applies to a request of `tokens_in` input tokens."""
    rate = tiers[0][1]
    for start, pico in tiers:
        if tokens_in >= start:
            rate = pico
    return rate


def cost_of(price: Price, usage: Usage) -> int:
    """True cost in picodollars. Cached and cache-written tokens are part of `tokens_in` and priced apart."""
    size = usage.tokens_in
    plain = max(0, size - usage.tokens_cached - usage.tokens_cache_write)
    cost = price.request + plain * per_token(price.input, size) + usage.tokens_out * per_token(price.output, size)
    cost += usage.tokens_cached * per_token(price.cached or price.input, size)
    return cost + usage.tokens_cache_write * per_token(price.cache_write or price.input, size)


def worst_case(price: Price, bounds: Bounds) -> int:
    """The most that an attempt within `bounds` can cost, whichever tier and cache rule applies."""
    dearest_in = max(pico for tiers in (price.input, price.cached, price.cache_write) for _, pico in tiers)
    dearest_out = max(pico for _, pico in price.output)
    return price.request + bounds.tokens_in * dearest_in + bounds.tokens_out * dearest_out


def pico_from_usd(text: str | Decimal | float) -> int:
    """Dollars to picodollars, rounded up. Raises ValueError with a sentence for what is no amount."""
    try:
        amount = text if isinstance(text, Decimal) else Decimal(str(text).strip().lstrip("$"))
    except InvalidOperation:
        message = f"{text!r} is not an amount of dollars; write it like 2.50"
        raise ValueError(message) from None
    if not amount.is_finite() or not -MOST_USD <= amount <= MOST_USD:
        message = f"{text!r} is not an amount of dollars; write it like 2.50"
        raise ValueError(message)
    return int((amount * PICO).to_integral_value(rounding=ROUND_CEILING))


def usd(pico: int) -> str:
    """Picodollars as an exact decimal string without trailing zeros beyond the cents: '0.0123', '2.00'."""
    text = f"{Decimal(pico) / PICO:.12f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents.ljust(2, '0')}"


def dollars_up(pico: int) -> str:
    """Rounded up, to cents or below ten cents to four places: an amount of dollars that is enough, as one types it."""
    places = 2 if pico >= PICO // 10 else 4
    step = PICO // 10**places
    return f"{Decimal(-(-pico // step)) / 10**places:.{places}f}"


def usd_exact(pico: int) -> str:
    """For people, as it was stated: '$2.00', '$0.0123'."""
    return f"${usd(pico)}"


def usd_short(pico: int) -> str:
    """For people: '$0.41', four places below ten cents, never '$0.00' for what is not zero. Never less than it is."""
    return _short(pico, ROUND_CEILING)


def usd_down(pico: int) -> str:
    """The same of what is left, or of the low end of a range: never more than it is."""
    return _short(pico, ROUND_FLOOR)


def _short(pico: int, rounding: str) -> str:
    amount = Decimal(pico) / PICO
    if 0 < amount < Decimal("0.0001"):
        return "<$0.0001"
    places = "0.01" if pico == 0 or amount >= Decimal("0.10") else "0.0001"
    short = f"${amount.quantize(Decimal(places), rounding)}"
    return short.removesuffix("00") if places == "0.0001" else short

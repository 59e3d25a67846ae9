"""Prices are exact, the user's word wins, and unknown is never zero."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from packmule.core.calls import Bounds, Usage
from packmule.core.money import FREE, PICO, cost_of, flat, per_token, worst_case
from packmule.errors import PriceUnknown
from packmule.providers.prices import LISTS, PriceBook

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT_US = int(AT.timestamp() * 1e6)


def test_a_listed_price_is_exact() -> None:
    price = PriceBook().price("openai/gpt-5-mini")
    assert price.input == ((0, 250_000),)
    assert price.output == ((0, 2_000_000),)
    assert price.cached == ((0, 25_000),)
    assert price.source.startswith("genai-prices ")
    assert price.day > "2026-01-01"


@pytest.mark.parametrize(
    ("model", "tokens_in", "tokens_out", "cached"),
    [
        ("openai/gpt-5-mini", 1_234, 567, 100),
        ("openai/gpt-5.4", 271_999, 10, 0),
        ("openai/gpt-5.4", 272_000, 10, 0),
        ("openai/gpt-5.4", 272_001, 10, 5),
        ("openai/o3", 10, 3, 0),
        ("anthropic/claude-sonnet-4-5", 200_000, 9, 0),
        ("anthropic/claude-sonnet-4-5", 200_001, 9, 7),
        ("gemini/gemini-2.5-pro", 199_999, 1, 0),
        ("gemini/gemini-2.5-pro", 200_001, 1, 99),
        ("groq/llama-3.3-70b-versatile", 10, 10, 0),
        ("mistral/mistral-small-latest", 10, 10, 0),
        ("xai/grok-4", 10, 10, 0),
        ("openrouter/anthropic/claude-sonnet-4.5", 10, 10, 0),
    ],
)
def test_our_cost_is_what_genai_prices_itself_calculates(
    model: str, tokens_in: int, tokens_out: int, cached: int
) -> None:
    provider, _, name = model.partition("/")
    theirs = calc_price(
        TheirUsage(input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=cached),
        name,
        provider_id=LISTS[provider],
        genai_request_timestamp=AT,
    )
    ours = cost_of(PriceBook(utc_us=AT_US).price(model), Usage(tokens_in, tokens_out, tokens_cached=cached))
    assert Decimal(ours) / PICO == theirs.total_price


def test_prices_change_with_the_day() -> None:
    before = PriceBook(utc_us=int(datetime(2025, 6, 9, tzinfo=UTC).timestamp() * 1e6)).price("openai/o3")
    after = PriceBook(utc_us=int(datetime(2025, 6, 10, tzinfo=UTC).timestamp() * 1e6)).price("openai/o3")
    assert (before.input, after.input) == (((0, 10_000_000),), ((0, 2_000_000),))


def test_the_dearest_hour_of_the_day_counts() -> None:
    assert PriceBook(utc_us=AT_US).price("deepseek/deepseek-chat").output == ((0, 1_100_000),)


def test_the_worst_case_covers_every_tier() -> None:
    price = PriceBook(utc_us=AT_US).price("gemini/gemini-2.5-pro")
    dear = Usage(300_000, 1_000)
    assert worst_case(price, Bounds(300_000, 1_000)) >= cost_of(price, dear)
    assert per_token(price.input, 300_000) > per_token(price.input, 1)


def test_the_simulated_models_have_fixed_prices() -> None:
    book = PriceBook()
    assert book.price("sim/small") == flat(250_000, 2_000_000, "sim")
    assert book.price("sim/large") == flat(3_000_000, 15_000_000, "sim")
    assert book.price("sim/claude-anything") == flat(250_000, 2_000_000, "sim")


def test_the_users_word_wins() -> None:
    mine = flat(1, 2, "stated by the user")
    book = PriceBook({"openai/gpt-5-mini": mine, "vllm/mine": FREE, "sim/small": mine})
    assert book.price("openai/gpt-5-mini") == mine
    assert book.price("sim/small") == mine
    assert book.price("vllm/mine").free


@pytest.mark.parametrize("model", ["vllm/mine", "ollama/llama3", "openai/whisper-1", "openai/text-embedding-3-small"])
def test_an_unknown_price_is_refused_with_what_to_type(model: str) -> None:
    with pytest.raises(PriceUnknown) as caught:
        PriceBook().price(model)
    assert model in str(caught.value)
    assert "--price-in" in caught.value.hint
    assert "--free" in caught.value.hint


def test_a_slip_of_the_pen_gets_the_nearest_name() -> None:
    with pytest.raises(PriceUnknown) as caught:
        PriceBook().price("anthropic/claud-sonnet-4-5")
    assert "did you mean anthropic/claude-sonnet-4-5?" in caught.value.hint


def test_known_models_are_found_by_full_and_bare_name() -> None:
    book = PriceBook()
    full = {row[0] for row in book.known_models("openai/gpt-5")}
    assert "openai/gpt-5-mini" in full
    assert "openai/gpt-5-mini" in {row[0] for row in book.known_models("gpt-5")}
    model, into, out, source, day = next(row for row in book.known_models() if row[0] == "openai/gpt-5-mini")
    assert (model, into, out) == ("openai/gpt-5-mini", PICO // 4, 2 * PICO)
    assert source.startswith("genai-prices")
    assert day
    assert book.known_models("sim/") == [
        ("sim/large", 3 * PICO, 15 * PICO, "sim", ""),
        ("sim/small", PICO // 4, 2 * PICO, "sim", ""),
    ]


def test_every_listed_model_can_be_asked() -> None:
    assert {row[0].partition("/")[0] for row in PriceBook().known_models()} == {*LISTS, "sim"}

"""Names, addresses, keys and prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from packmule.core.calls import Bounds, Usage
from packmule.core.money import FREE, cost_of, flat, worst_case
from packmule.errors import KeyMissing, ModelUnknown, PreflightError, PriceUnknown
from packmule.providers.prices import PriceBook
from packmule.providers.registry import canonical_model, checked_url, resolve

NOV_2026 = 1_795_500_000_000_000
KEY = "sk-canary-never-shown"


def endpoint(model: str, env: dict[str, str], base_url: str | None = None, free: bool = False) -> Any:
    prices = PriceBook({canonical_model(model, env): FREE} if free else None, NOV_2026)
    return resolve(model, env=env, base_url=base_url, prices=prices, transport_for=lambda _: None)


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("gpt-5-mini", "openai/gpt-5-mini"),
        ("claude-3-haiku-20240307", "anthropic/claude-3-haiku-20240307"),
        ("gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("google/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("openrouter/openai/gpt-5-mini", "openrouter/openai/gpt-5-mini"),
        ("sim/small", "sim/small"),
        ("o3", "openai/o3"),
    ],
)
def test_names_resolve(given: str, full: str) -> None:
    assert canonical_model(given, {}) == full


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ModelUnknown) as caught:
        canonical_model("opanai/gpt-5-mini", {})
    assert "openai/gpt-5-mini" in caught.value.hint


def test_a_missing_key_names_its_variable_and_a_file_may_hold_it(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="GEMINI_API_KEY or GOOGLE_API_KEY"):
        endpoint("gemini-2.5-pro", {})
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert endpoint("gpt-5-mini", {"OPENAI_API_KEY_FILE": str(tmp_path / "key")})
    with pytest.raises(KeyMissing, match="cannot be read"):
        endpoint("gpt-5-mini", {"OPENAI_API_KEY_FILE": str(tmp_path / "gone")})


def test_keys_are_never_shown() -> None:
    found = endpoint("gpt-5-mini", {"OPENAI_API_KEY": KEY})
    assert KEY not in repr(found)
    assert KEY not in str(found)


def test_local_servers_and_stated_addresses_need_no_key() -> None:
    assert endpoint("ollama/llama3", {}, free=True)
    assert endpoint("openai/my-model", {}, base_url="http://127.0.0.1:8000/v1", free=True)
    assert endpoint("gpt-5-mini", {"OPENAI_BASE_URL": "http://localhost:9/v1"})


@pytest.mark.parametrize(
    "url", ["https://x.org/v1", "http://127.0.0.1:1", "http://[::1]:1", "http://10.1.2.3", "http://gpu-box:8000"]
)
def test_addresses_that_a_key_may_go_to(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://x", "http://169.254.169.254/", "http://127.0.0.1.evil.org", "x", ""]
)
def test_addresses_that_no_key_goes_to(url: str) -> None:
    with pytest.raises(PreflightError, match="not https"):
        checked_url(url)


def test_prices_are_exact_dated_and_say_their_source() -> None:
    price = PriceBook(utc_us=NOV_2026).price("openai/gpt-5-mini")
    assert (price.input[0][1], price.output[0][1]) == (250_000, 2_000_000)
    assert price.source.startswith("genai-prices ")
    assert price.day <= "2026-11-25"
    assert cost_of(price, Usage(1000, 100, tokens_cached=400)) == 600 * 250_000 + 400 * 25_000 + 100 * 2_000_000


def test_tiers_are_chosen_by_the_size_of_the_input_and_the_worst_case_by_the_dearest() -> None:
    price = PriceBook(utc_us=NOV_2026).price("gemini/gemini-2.5-pro")
    assert cost_of(price, Usage(200_000, 1)) > 2 * cost_of(price, Usage(199_999, 1)) * 0.99
    assert worst_case(price, Bounds(10, 10)) == 10 * 2_500_000 + 10 * 15_000_000


def test_unknown_is_never_zero_and_the_user_wins() -> None:
    with pytest.raises(PriceUnknown):
        PriceBook().price("openai/gpt-no-such-thing")
    mine = flat(1, 2, "me")
    assert PriceBook({"openai/gpt-5-mini": mine}).price("openai/gpt-5-mini") == mine
    assert FREE.free


def test_known_models_are_listed_by_prefix() -> None:
    names = [name for name, *_ in PriceBook(utc_us=NOV_2026).known_models("openai/gpt-5-mini")]
    assert "openai/gpt-5-mini" in names
    assert PriceBook().known_models("sim/")

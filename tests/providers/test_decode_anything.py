"""`decode` and `hint` never raise, whatever a server sends, and what they give can always be stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import Answer, Fault, Received
from packmule.providers import anthropic, gemini, openai

VENDORS = [openai, anthropic, gemini]
STATUSES = st.one_of(st.just(200), st.integers(100, 999))
NAMES = st.sampled_from(
    [
        *"error message type code status details choices content text refusal finish_reason usage model".split(),
        *"prompt_tokens completion_tokens total_tokens prompt_tokens_details cached_tokens candidates parts".split(),
        *"input_tokens output_tokens cache_read_input_tokens stop_reason usageMetadata promptTokenCount".split(),
        *"promptFeedback blockReason finishReason thought retryDelay modelVersion".split(),
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=20,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *"retry-after retry-after-ms date x-ratelimit-reset-tokens x-ratelimit-remaining-requests".split(),
            *"anthropic-ratelimit-tokens-reset anthropic-ratelimit-requests-limit".split(),
        ]
    ),
    st.text(max_size=40),
    max_size=4,
)


def check(vendor: object, received: Received) -> None:
    got = vendor.decode(received)  # type: ignore[attr-defined]
    assert isinstance(got, Answer | Fault)
    msgspec.json.encode(got)
    vendor.hint(received)  # type: ignore[attr-defined]
    if isinstance(got, Answer):
        assert got.usage is None or (got.usage.tokens_in > 0 and got.usage.tokens_out >= 0)
    else:
        assert got.outcome in {"rejected", "unknown"}


@pytest.mark.parametrize("vendor", VENDORS)
@given(status=STATUSES, headers=HEADERS, body=st.binary(max_size=300))
def test_any_bytes(vendor: object, status: int, headers: dict[str, str], body: bytes) -> None:
    check(vendor, Received(status, headers, body))


@pytest.mark.parametrize("vendor", VENDORS)
@given(status=STATUSES, headers=HEADERS, value=VALUES)
def test_any_json_of_the_names_we_read(vendor: object, status: int, headers: dict[str, str], value: object) -> None:
    check(vendor, Received(status, headers, msgspec.json.encode(value)))


@pytest.mark.parametrize("vendor", VENDORS)
@given(value=VALUES, content=VALUES, usage=VALUES)
def test_any_json_in_the_places_of_an_answer(vendor: object, value: object, content: object, usage: object) -> None:
    for message in (value, {"content": content, "refusal": value}):
        choice = {"message": message, "content": message, "finish_reason": value, "finishReason": value}
        body = {"choices": [choice], "content": content, "candidates": [choice], "usage": usage, "usageMetadata": usage}
        check(vendor, Received(200, {}, msgspec.json.encode(body)))

"""Messages: bodies that the official SDK knows, answers as Anthropic gives them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, RateHint, Received, Request, Usage
from packmule.errors import UsageError
from packmule.providers import anthropic
from tests.providers.judges import anthropic_accepts, anthropic_answers
from tests.providers.orders import CASES, SCHEMA, asked, no_blobs

NOW = "Tue, 24 Nov 2026 12:00:00 GMT"


def encoded(request: Request, model: str = "claude-sonnet-4-5") -> dict[str, Any]:
    return anthropic_accepts(anthropic.encode(model, request, no_blobs))


def message(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "Hi!", "citations": None}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 7,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }
    return {**body, **changes}


def decoded(body: dict[str, Any], *, official: bool = True) -> Answer | Fault:
    data = msgspec.json.encode(body)
    return anthropic.decode(Received(200, {}, anthropic_answers(data) if official else data))


@pytest.mark.parametrize("case", CASES)
def test_the_sdk_knows_every_body(case: str) -> None:
    assert encoded(CASES[case])["max_tokens"] in {77, 4_096}


def test_the_system_prompt_is_a_parameter_of_its_own() -> None:
    body = encoded(CASES["system"])
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_a_schema_goes_out_as_output_format() -> None:
    assert encoded(asked(schema=SCHEMA))["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


def test_limits_that_cannot_be_enforced_are_said_in_words() -> None:
    schema = {**SCHEMA, "properties": {"mood": {"type": "string", "maxLength": 9}, "score": {"type": "integer"}}}
    found = encoded(asked(schema=schema))["output_config"]["format"]["schema"]
    assert found["properties"]["mood"] == {"type": "string", "description": "maxLength: 9"}


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-5-5", "claude-sonnet-5", "claude-fable-5-1"])
def test_newer_models_get_no_temperature_and_room_to_think(model: str) -> None:
    body = encoded(asked(temperature=0.2), model)
    assert "temperature" not in body
    assert body["max_tokens"] == 16_384


@pytest.mark.parametrize("model", ["claude-3-5-haiku-latest", "claude-opus-4-20250514", "claude-sonnet-4-5-20250929"])
def test_older_models_get_their_temperature(model: str) -> None:
    body = encoded(asked(temperature=0.2), model)
    assert body["temperature"] == 0.2
    assert body["max_tokens"] == 4_096


def test_an_image_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="not supported yet"):
        encoded(asked(want="image"))


def test_an_answer_is_read_and_cached_input_is_input() -> None:
    usage = Usage(20, 5, tokens_cached=7, tokens_cache_write=3, tokens_reasoning=2)
    assert decoded(message()) == Answer("Hi!", "stop", usage, "claude-sonnet-4-5-20250929")


def test_thinking_is_not_the_answer() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "x"}
    blocks = [
        thinking,
        {"type": "text", "text": "A", "citations": None},
        {"type": "text", "text": "B", "citations": None},
    ]
    answer = decoded(message(content=blocks))
    assert isinstance(answer, Answer)
    assert answer.text == "AB"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
    ],
)
def test_stop_reasons(reason: str, finish: str) -> None:
    answer = decoded(message(stop_reason=reason))
    assert isinstance(answer, Answer)
    assert answer.finish == finish


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": 0, "output_tokens": 5},
        {"input_tokens": 10, "output_tokens": 0},
        {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": -7},
        {"input_tokens": 10, "output_tokens": 5.0},
    ],
)
def test_usage_that_cannot_be_true_is_none(usage: Any) -> None:
    answer = decoded(message(usage=usage), official=False)
    assert isinstance(answer, Answer)
    assert answer.usage is None


def test_an_error_inside_a_success_is_cut() -> None:
    fault = decoded({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, official=False)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("cut", "unknown")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"content":"Hi"}', b'{"content":[{"ty'])
def test_a_success_that_is_no_answer_is_malformed(body: bytes) -> None:
    fault = anthropic.decode(Received(200, {}, body))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome, fault.body) == ("malformed", "unknown", body)


def test_limits_are_read_from_the_headers() -> None:
    name = "anthropic-ratelimit"
    found = {
        "date": NOW,
        f"{name}-requests-limit": "1000",
        f"{name}-requests-remaining": "999",
        f"{name}-requests-reset": "2026-11-24T12:00:01Z",
        f"{name}-tokens-limit": "80000",
        f"{name}-tokens-remaining": "0",
        f"{name}-tokens-reset": "2026-11-24T12:00:30Z",
        f"{name}-input-tokens-limit": "70000",
    }
    assert anthropic.hint(Received(200, found, b"")) == RateHint(1000, 999, 1.0, 80_000, 0, 30.0)
    only_input = {f"{name}-input-tokens-limit": "70000", f"{name}-input-tokens-remaining": "5"}
    assert anthropic.hint(Received(200, only_input, b"")) == RateHint(tokens_limit=70_000, tokens_remaining=5)
    assert anthropic.hint(Received(200, {}, b"")) is None


@pytest.mark.parametrize("base", ["https://api.anthropic.com", "https://api.anthropic.com/v1"])
def test_a_base_url_may_end_with_the_version(base: str) -> None:
    assert anthropic.url(base, "m") == "https://api.anthropic.com/v1/messages"

"""The codecs: bodies that the official SDKs' own types accept, answers of every kind, and no exception ever."""

from __future__ import annotations

import json
import warnings
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from packmule.core.calls import Answer, BlobPart, Fault, Message, Received, Request, TextPart
from packmule.errors import UsageError
from packmule.providers.anthropic import AnthropicCodec
from packmule.providers.gemini import GeminiCodec
from packmule.providers.openai import OpenAICodec, duration_s
from packmule.providers.registry import PROVIDERS
from packmule.providers.strict import closed, strict_or_not

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
    from google.genai import types as genai
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

PIXEL = b"\x89PNG not really"
IMAGE = BlobPart("image/png", sha256(PIXEL).hexdigest(), len(PIXEL), data=PIXEL)
PDF = BlobPart("application/pdf", sha256(b"%PDF-").hexdigest(), 5, name="a.pdf", data=b"%PDF-")
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["a", "b"]}, "score": {"type": "integer", "minimum": 1}},
    "required": ["label", "score"],
    "additionalProperties": False,
}
CODECS = {
    "openai": OpenAICodec(),
    "compatible": OpenAICodec(compatible=True),
    "anthropic": AnthropicCodec(),
    "gemini": GeminiCodec(),
}
MODELS = {
    "openai": "gpt-5-mini",
    "compatible": "llama-3",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
}


def request(*parts: Any, **more: Any) -> Request:
    turns = (
        Message("user", (TextPart("What is this?"), *parts)),
        Message("assistant", (TextPart("A lamp."),)),
        Message("user", (TextPart("Sure?"),)),
    )
    return Request(("m",), turns, **more)


REQUESTS = {
    "plain": Request(("m",), (Message("user", (TextPart("Hello"),)),)),
    "turns": request(),
    "system": request(system="Be brief.", temperature=0.3, max_output_tokens=77),
    "schema": request(schema=json.dumps(SCHEMA)),
    "image": request(IMAGE),
    "document": request(PDF),
}


def body_of(codec: str, name: str) -> dict[str, Any]:
    encoded = CODECS[codec].encode(REQUESTS[name], MODELS[codec], lambda _: b"")
    found: dict[str, Any] = json.loads(encoded)
    return found


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("codec", ["openai", "compatible"])
def test_openai_bodies_satisfy_the_sdk_types(codec: str, name: str) -> None:
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(body_of(codec, name), strict=False)


@pytest.mark.parametrize("name", REQUESTS)
def test_anthropic_bodies_satisfy_the_sdk_types(name: str) -> None:
    body = body_of("anthropic", name)
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(body, strict=False)
    assert body["max_tokens"] > 0


@pytest.mark.parametrize("name", REQUESTS)
def test_gemini_bodies_satisfy_the_sdk_types(name: str) -> None:
    body = body_of("gemini", name)
    for content in body["contents"]:
        genai.Content.model_validate(content)
    genai.GenerateContentConfig.model_validate(body["generationConfig"])
    assert set(body) <= {"contents", "generationConfig", "systemInstruction"}


def test_openai_and_its_like_name_the_bound_differently() -> None:
    assert body_of("openai", "system")["max_completion_tokens"] == 77
    assert body_of("compatible", "system")["max_tokens"] == 77
    assert "temperature" not in body_of("openai", "system"), "reasoning models refuse one"
    assert body_of("compatible", "system")["temperature"] == 0.3


def test_reasoning_models_get_the_larger_default_bound() -> None:
    assert body_of("openai", "plain")["max_completion_tokens"] == 16_384
    assert body_of("compatible", "plain")["max_tokens"] == 4_096


def test_strict_mode_is_asked_for_only_where_the_schema_is_strict() -> None:
    assert strict_or_not(SCHEMA) == (SCHEMA, True)
    assert strict_or_not({**SCHEMA, "required": ["label"]})[1] is False
    assert strict_or_not({"type": "array"})[1] is False
    nested = {
        **SCHEMA,
        "properties": {**SCHEMA["properties"], "more": {"type": "object"}},
        "required": ["label", "score", "more"],
    }
    assert strict_or_not(nested)[1] is False


def test_anthropic_schemas_are_closed_and_bounds_are_told_in_words() -> None:
    form = closed({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "A count"}}})
    assert form["additionalProperties"] is False
    assert form["properties"]["n"] == {"type": "integer", "description": "A count\n\n{minimum: 1}"}
    assert closed({"oneOf": [{"type": "string"}]}) == {"anyOf": [{"type": "string"}]}
    defs = closed({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}})
    assert defs["$defs"]["x"]["additionalProperties"] is False


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", REQUESTS)
def test_bounds_are_never_below_the_text(codec: str, name: str) -> None:
    req = REQUESTS[name]
    body = CODECS[codec].encode(req, MODELS[codec], lambda _: b"")
    bounds = CODECS[codec].bounds(req, MODELS[codec], body)
    text = sum(len(message.text) for message in req.messages)
    assert bounds.tokens_in >= text
    assert bounds.tokens_out == (req.max_output_tokens or bounds.tokens_out) > 0
    if name == "image":
        assert bounds.tokens_in > 20_000


@pytest.mark.parametrize("codec", CODECS)
def test_images_cannot_be_asked_for_yet_and_that_is_said(codec: str) -> None:
    with pytest.raises(UsageError, match="image"):
        CODECS[codec].encode(request(want="image"), MODELS[codec], lambda _: b"")


def received(body: Any, status: int = 200, **headers: str) -> Received:
    return Received(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def chat(text: Any = "Hi", finish: str = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 3} if usage is None else usage
    return {
        "model": "m-1",
        "choices": [{"finish_reason": finish, "message": {"content": text, **message}}],
        "usage": usage,
    }


def test_openai_answers_are_read_whole() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    answer = CODECS["openai"].decode(received(chat(usage=usage)))
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish, answer.model) == ("Hi", "stop", "m-1")
    assert answer.usage is not None
    assert (answer.usage.tokens_in, answer.usage.tokens_cached, answer.usage.tokens_reasoning) == (100, 60, 20)


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        (chat(finish="length"), "length"),
        (chat(finish="content_filter"), "content_filter"),
        (chat(None, refusal="I cannot"), "refusal"),
        (chat([{"type": "text", "text": "Hi"}]), "stop"),
    ],
)
def test_openai_says_why_an_answer_ended(body: Any, finish: str) -> None:
    answer = CODECS["openai"].decode(received(body))
    assert isinstance(answer, Answer)
    assert answer.finish == finish


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 0, "completion_tokens": 1},
        {"prompt_tokens": -4, "completion_tokens": 1},
        {"prompt_tokens": 4, "completion_tokens": 0},
        {"prompt_tokens": "4", "completion_tokens": 1},
    ],
)
def test_usage_that_cannot_be_true_is_no_usage(usage: dict[str, Any]) -> None:
    answer = CODECS["openai"].decode(received(chat(usage=usage)))
    assert isinstance(answer, Answer)
    assert answer.usage is None


def test_anthropic_adds_the_three_parts_of_the_input_up() -> None:
    body = {
        "type": "message",
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "max_tokens",
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 7,
            "output_tokens": 4,
        },
    }
    answer = CODECS["anthropic"].decode(received(body))
    assert isinstance(answer, Answer)
    assert answer.finish == "length"
    assert answer.usage is not None
    assert (answer.usage.tokens_in, answer.usage.tokens_cached, answer.usage.tokens_cache_write) == (22, 5, 7)


def test_gemini_counts_thoughts_as_output_and_says_what_was_blocked() -> None:
    body = {
        "candidates": [
            {"content": {"parts": [{"text": "hm", "thought": True}, {"text": "Hi"}]}, "finishReason": "STOP"}
        ],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2, "thoughtsTokenCount": 30},
    }
    answer = CODECS["gemini"].decode(received(body))
    assert isinstance(answer, Answer)
    assert answer.text == "Hi"
    assert answer.usage is not None
    assert answer.usage.tokens_out == 32
    blocked = CODECS["gemini"].decode(received({"promptFeedback": {"blockReason": "SAFETY"}}))
    assert isinstance(blocked, Answer)
    assert blocked.finish == "content_filter"


STATUSES = [
    (400, "invalid_request", "rejected"),
    (401, "auth", "rejected"),
    (402, "quota", "rejected"),
    (403, "auth", "rejected"),
    (404, "invalid_request", "rejected"),
    (408, "overloaded", "rejected"),
    (409, "server_error", "unknown"),
    (413, "invalid_request", "rejected"),
    (422, "invalid_request", "rejected"),
    (429, "rate_limit", "rejected"),
    (500, "server_error", "unknown"),
    (502, "server_error", "unknown"),
    (503, "overloaded", "rejected"),
    (504, "server_error", "unknown"),
    (522, "server_error", "unknown"),
    (529, "overloaded", "rejected"),
    (301, "redirect", "unknown"),
    (307, "redirect", "unknown"),
    (418, "invalid_request", "rejected"),
]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("status", "kind", "outcome"), STATUSES)
def test_every_status_means_one_thing(codec: str, status: int, kind: str, outcome: str) -> None:
    fault = CODECS[codec].decode(received({"error": {"message": "words\x1b[31m of\nthe provider"}}, status))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome, fault.status) == (kind, outcome, status)
    assert "words" in fault.message or kind == "redirect"
    assert "\x1b" not in fault.message
    assert "\n" not in fault.message


def test_an_empty_purse_is_no_rate_limit() -> None:
    fault = CODECS["openai"].decode(received({"error": {"code": "insufficient_quota", "message": "x"}}, 429))
    assert isinstance(fault, Fault)
    assert fault.kind == "quota"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b"null", b'"text"', b"\xff\xfe", b"{" * 5000, b'{"a": 1}']
)
def test_a_200_that_is_no_answer_is_malformed_and_kept(codec: str, body: bytes) -> None:
    fault = CODECS[codec].decode(received(body))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("malformed", "unknown")
    assert fault.body == body


@pytest.mark.parametrize("codec", CODECS)
def test_an_error_inside_a_200_is_a_cut_answer(codec: str) -> None:
    fault = CODECS[codec].decode(received({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("cut", "unknown")


@given(
    st.sampled_from(sorted(CODECS)),
    st.integers(100, 599),
    st.binary(max_size=300),
    st.dictionaries(
        st.sampled_from(
            [
                "retry-after",
                "retry-after-ms",
                "date",
                "x-ratelimit-limit-requests",
                "x-ratelimit-reset-tokens",
                "anthropic-ratelimit-requests-reset",
                "anthropic-ratelimit-tokens-limit",
            ]
        ),
        st.text(max_size=30),
    ),
)
def test_nothing_a_server_sends_raises(codec: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    found = Received(status, headers, body)
    assert isinstance(CODECS[codec].decode(found), Answer | Fault)
    CODECS[codec].hint(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "usage",
                    "error",
                    "candidates",
                    "parts",
                    "text",
                    "prompt_tokens",
                    "output_tokens",
                    "usageMetadata",
                    "promptFeedback",
                    "blockReason",
                    "finish_reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(CODECS)), JSON)
def test_no_shape_of_json_raises(codec: str, body: Any) -> None:
    assert isinstance(CODECS[codec].decode(received(body)), Answer | Fault)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("3600", 3600.0),
        ("-3", None),
        ("nan", None),
        ("1e9", None),
        ("inf", None),
        ("soon", None),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_obeyed_when_it_makes_sense(text: str, expected: float | None) -> None:
    headers = {"retry-after": text, "date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    fault = CODECS["openai"].decode(Received(429, headers, b""))
    assert isinstance(fault, Fault)
    assert fault.retry_after_s == expected


def test_rate_limit_headers_of_both_vendors() -> None:
    openai = CODECS["openai"].hint(
        Received(
            200,
            {
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-limit-tokens": "9000",
                "x-ratelimit-remaining-tokens": "8",
                "x-ratelimit-reset-tokens": "20ms",
            },
            b"",
        )
    )
    assert openai is not None
    assert (openai.requests_limit, openai.requests_remaining, openai.requests_reset_s) == (500, 3, 360.0)
    assert (openai.tokens_limit, openai.tokens_remaining, openai.tokens_reset_s) == (9000, 8, 0.02)
    anthropic = CODECS["anthropic"].hint(
        Received(
            200,
            {
                "date": "Tue, 24 Nov 2026 12:00:00 GMT",
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:09Z",
            },
            b"",
        )
    )
    assert anthropic is not None
    assert (anthropic.requests_limit, anthropic.requests_remaining, anthropic.requests_reset_s) == (50, 0, 9.0)
    assert CODECS["gemini"].hint(Received(200, {}, b"")) is None


def test_durations_are_read_and_nonsense_is_not() -> None:
    assert duration_s("1h2m3.5s") == 3723.5
    assert duration_s("6m0s") == 360.0
    assert duration_s("soon") is None
    assert duration_s("5x") is None


def test_every_provider_has_an_address_and_a_codec() -> None:
    for name, provider in PROVIDERS.items():
        assert provider.codec.url(provider.base_url, "m").startswith(
            ("https://", "http://127.0.0.1", "http://sim.invalid")
        ), name
        assert "k-1" in str(provider.codec.headers("k-1"))
        assert "k-1" not in provider.codec.url(provider.base_url, "m")

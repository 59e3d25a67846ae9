"""Every row of the status table, and what a fault never holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import Answer, Fault, Received
from packmule.providers import anthropic, gemini, openai
from packmule.providers.faults import BODY_MAX, MESSAGE_MAX, fault_of, sentence

Decode = Callable[[Received], Answer | Fault]
DECODERS = {"openai": openai.decode, "anthropic": anthropic.decode, "gemini": gemini.decode}

ROWS = {
    301: ("redirect", "unknown"),
    302: ("redirect", "unknown"),
    308: ("redirect", "unknown"),
    400: ("invalid_request", "rejected"),
    401: ("auth", "rejected"),
    402: ("quota", "rejected"),
    403: ("auth", "rejected"),
    404: ("invalid_request", "rejected"),
    405: ("invalid_request", "rejected"),
    408: ("overloaded", "rejected"),
    409: ("server_error", "unknown"),
    413: ("invalid_request", "rejected"),
    422: ("invalid_request", "rejected"),
    425: ("overloaded", "rejected"),
    429: ("rate_limit", "rejected"),
    498: ("overloaded", "rejected"),
    499: ("server_error", "unknown"),
    500: ("server_error", "unknown"),
    501: ("server_error", "unknown"),
    502: ("server_error", "unknown"),
    503: ("overloaded", "rejected"),
    504: ("server_error", "unknown"),
    520: ("server_error", "unknown"),
    522: ("server_error", "unknown"),
    524: ("server_error", "unknown"),
    529: ("overloaded", "rejected"),
    100: ("malformed", "unknown"),
    999: ("malformed", "unknown"),
}


def error(code_: int, message: str = "no", headers: dict[str, str] | None = None, **words: object) -> Received:
    body = msgspec.json.encode({"error": {"message": message, **words}})
    return Received(code_, headers or {}, body)


@pytest.mark.parametrize("vendor", DECODERS)
@pytest.mark.parametrize("status", ROWS)
def test_each_status_has_its_kind_and_its_outcome(vendor: str, status: int) -> None:
    for body in (b"", b"<html>Bad gateway</html>", b'{"error":{"message":"it broke"}}'):
        fault = DECODERS[vendor](Received(status, {}, body))
        assert isinstance(fault, Fault)
        assert (fault.kind, fault.outcome) == ROWS[status]
        assert fault.status == status
        assert fault.body == body
        assert str(status) in fault.message


@pytest.mark.parametrize(
    ("decode", "received", "kind", "outcome"),
    [
        (openai.decode, error(429, "You exceeded your current quota", code="insufficient_quota"), "quota", "rejected"),
        (openai.decode, error(429, "Rate limit reached. See https://x/account/billing."), "rate_limit", "rejected"),
        (openai.decode, error(429, "Request too large for gpt-4.1 (TPM): Limit 1"), "invalid_request", "rejected"),
        (openai.decode, error(429, "used all available credits or its spending limit"), "quota", "rejected"),
        (openai.decode, error(403, "Input flagged by moderation"), "invalid_request", "rejected"),
        (openai.decode, error(503, "overloaded", code="server_is_overloaded"), "overloaded", "rejected"),
        (anthropic.decode, error(400, "Your credit balance is too low to go on"), "quota", "rejected"),
        (anthropic.decode, error(400, "You have reached your specified API usage limits."), "quota", "rejected"),
        (anthropic.decode, error(402, "pay", type="billing_error"), "quota", "rejected"),
        (anthropic.decode, error(504, "late", type="timeout_error"), "server_error", "unknown"),
        (anthropic.decode, error(529, "busy", type="overloaded_error"), "overloaded", "rejected"),
        (gemini.decode, error(400, "API key not valid. Please pass a valid API key."), "auth", "rejected"),
        (
            gemini.decode,
            error(429, "Resource has been exhausted", status="RESOURCE_EXHAUSTED"),
            "rate_limit",
            "rejected",
        ),
        (
            gemini.decode,
            error(429, "You exceeded your current quota", details=[{"quotaId": "GenerateRequestsPerDayPerProject"}]),
            "quota",
            "rejected",
        ),
    ],
)
def test_vendors_differ_where_their_words_say_more_than_the_status(
    decode: Decode, received: Received, kind: str, outcome: str
) -> None:
    fault = decode(received)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == (kind, outcome)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"too long","type":"x"}}',
        b'{"type":"error","error":{"type":"x","message":"too long"}}',
        b'{"error":"too long"}',
        b'{"object":"error","message":"too long","code":400}',
        b'{"detail":"too long"}',
        b'[{"error":{"code":400,"message":"too long","status":"INVALID_ARGUMENT"}}]',
        b"too long",
    ],
)
def test_the_providers_own_words_are_shown_whatever_their_shape(body: bytes) -> None:
    fault = openai.decode(Received(400, {}, body))
    assert isinstance(fault, Fault)
    assert fault.message == "the provider answered 400: too long"


def test_a_web_page_is_not_shown_but_named() -> None:
    fault = fault_of(Received(502, {}, b"<!DOCTYPE html><html><script>alert(1)</script>"))
    assert "web page" in fault.message
    assert "script" not in fault.message


def test_retry_after_is_carried() -> None:
    fault = openai.decode(error(429, headers={"retry-after": "12"}))
    assert isinstance(fault, Fault)
    assert fault.retry_after_s == 12.0


def test_a_spent_limit_says_how_long_to_wait_when_nothing_else_does() -> None:
    limits = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    fault = openai.decode(error(429, headers=limits))
    assert isinstance(fault, Fault)
    assert fault.retry_after_s == 360.0
    asked = openai.decode(error(429, headers={**limits, "retry-after": "2"}))
    assert isinstance(asked, Fault)
    assert asked.retry_after_s == 2.0


def test_gemini_names_the_wait_in_its_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]
    fault = gemini.decode(error(429, details=details))
    assert isinstance(fault, Fault)
    assert fault.retry_after_s == 37.0


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh12345678",
        "sk-ant-api03-abcdefgh",
        "gsk_abcdefghijklmnop",
        "xai-abcdefghijklmnop",
        "AIzaSyA1234567890abcdefg",
        "Bearer abcdefgh",
        "sk-1234****************5678",
    ],
)
def test_what_looks_like_a_key_is_masked(secret: str) -> None:
    fault = openai.decode(error(401, f"Incorrect API key provided: {secret}. Look it up."))
    assert isinstance(fault, Fault)
    assert secret not in fault.message
    assert "***" in fault.message


def test_the_body_is_kept_and_bounded() -> None:
    fault = fault_of(Received(500, {}, b"x" * (BODY_MAX + 1)))
    assert len(fault.body) == BODY_MAX


@given(st.text(max_size=3000))
def test_a_message_is_one_bounded_line(text: str) -> None:
    line = sentence(text)
    assert len(line) <= MESSAGE_MAX
    assert all(unicodedata.category(char)[0] != "C" for char in line)

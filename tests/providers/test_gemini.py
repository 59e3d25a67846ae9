"""GenerateContent: bodies that the official SDK's types accept, answers as Gemini gives them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, Received, Request, Usage
from packmule.errors import UsageError
from packmule.providers import gemini
from tests.providers.judges import gemini_accepts, gemini_answers
from tests.providers.orders import CASES, SCHEMA, asked, no_blobs


def encoded(request: Request, model: str = "gemini-2.0-flash") -> dict[str, Any]:
    return gemini_accepts(gemini.encode(model, request, no_blobs))


def response(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi!"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 20,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 30,
            "cachedContentTokenCount": 8,
            "totalTokenCount": 55,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }
    return {**body, **changes}


def decoded(body: dict[str, Any]) -> Answer | Fault:
    return gemini.decode(Received(200, {}, gemini_answers(msgspec.json.encode(body))))


@pytest.mark.parametrize("case", CASES)
def test_the_sdk_knows_every_body(case: str) -> None:
    assert encoded(CASES[case])["generationConfig"]["maxOutputTokens"] in {77, 4_096}


def test_models_that_think_get_room_for_it() -> None:
    assert encoded(asked(), "gemini-2.5-pro")["generationConfig"]["maxOutputTokens"] == 16_384
    assert encoded(asked(), "gemini-3.1-flash-preview")["generationConfig"]["maxOutputTokens"] == 16_384


def test_a_schema_goes_out_as_response_json_schema() -> None:
    config = encoded(asked(schema=SCHEMA))["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == SCHEMA


def test_an_assistants_turn_is_the_models() -> None:
    assert [turn["role"] for turn in encoded(CASES["many turns"])["contents"]] == ["user", "model", "user"]


def test_an_image_goes_inline() -> None:
    part = encoded(CASES["image"])["contents"][0]["parts"][1]["inlineData"]
    assert part["mimeType"] == "image/png"
    assert part["data"].startswith("iVBORw0KGgo")


def test_an_image_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="not supported yet"):
        encoded(asked(want="image"))


def test_an_answer_is_read_and_thoughts_are_output() -> None:
    usage = Usage(20, 35, tokens_cached=8, tokens_reasoning=30)
    assert decoded(response()) == Answer("Hi!", "stop", usage, "gemini-2.5-flash")


def test_thoughts_are_not_the_answer() -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "Y"}, {"text": "es"}]
    answer = decoded(response(candidates=[{"content": {"parts": parts}, "finishReason": "STOP"}]))
    assert isinstance(answer, Answer)
    assert answer.text == "Yes"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "other"),
    ],
)
def test_finish_reasons_without_content(reason: str, finish: str) -> None:
    usage = {"promptTokenCount": 20, "thoughtsTokenCount": 9, "totalTokenCount": 29}
    answer = decoded(response(candidates=[{"finishReason": reason, "index": 0}], usageMetadata=usage))
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish, answer.usage) == ("", finish, Usage(20, 9, tokens_reasoning=9))


def test_a_blocked_prompt_is_an_answer_without_text() -> None:
    body = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 20, "totalTokenCount": 20},
        "modelVersion": "gemini-2.5-flash",
    }
    assert decoded(body) == Answer("", "content_filter", Usage(20, 0), "gemini-2.5-flash")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"candidates":[]}', b'{"candidates":"x"}', b'{"cand'])
def test_a_success_that_is_no_answer_is_malformed(body: bytes) -> None:
    fault = gemini.decode(Received(200, {}, body))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome, fault.body) == ("malformed", "unknown", body)


@pytest.mark.parametrize("body", [b'{"error":{"code":500,"message":"x"}}', b'[{"error":{"code":500,"message":"x"}}]'])
def test_an_error_inside_a_success_is_cut(body: bytes) -> None:
    fault = gemini.decode(Received(200, {}, body))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("cut", "unknown")


def test_usage_that_cannot_be_true_is_none() -> None:
    for usage in ({}, {"promptTokenCount": 0}, {"promptTokenCount": 5}):
        answer = decoded(response(usageMetadata=usage))
        assert isinstance(answer, Answer)
        assert answer.usage is None


@pytest.mark.parametrize("base", ["", "/v1beta", "/v1"])
def test_a_base_url_may_end_with_the_version(base: str) -> None:
    found = gemini.url(f"https://generativelanguage.googleapis.com{base}", "gemini-2.5-pro")
    assert found == "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent"


def test_a_models_name_cannot_leave_its_place_in_the_address() -> None:
    assert gemini.url("https://h", "../../evil?x=1") == "https://h/v1beta/models/..%2F..%2Fevil%3Fx%3D1:generateContent"

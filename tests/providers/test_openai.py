"""Chat completions: bodies that the official SDK knows, answers as OpenAI and its imitators give them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from packmule.core.calls import Answer, Fault, Message, RateHint, Received, Request, TextPart, Usage
from packmule.errors import UsageError
from packmule.providers import openai
from packmule.providers.openai import COMPATIBLE, JSON_OBJECT, OPENAI
from tests.providers.judges import openai_accepts, openai_answers
from tests.providers.orders import CASES, PNG, SCHEMA, asked, blob, no_blobs, user


def encoded(request: Request, model: str = "gpt-4.1", dialect: openai.Dialect = OPENAI) -> dict[str, Any]:
    return openai_accepts(openai.encode(dialect, model, request, no_blobs))


def completion(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 5,
            "total_tokens": 25,
            "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
        },
    }
    return {**body, **changes}


def decoded(body: dict[str, Any], *, official: bool = True) -> Answer | Fault:
    data = msgspec.json.encode(body)
    return openai.decode(Received(200, {}, openai_answers(data) if official else data))


def with_usage(**usage: Any) -> Usage | None:
    answer = decoded(completion(usage=usage), official=False)
    assert isinstance(answer, Answer)
    return answer.usage


@pytest.mark.parametrize("dialect", [OPENAI, COMPATIBLE, JSON_OBJECT])
@pytest.mark.parametrize("case", CASES)
def test_the_sdk_knows_every_body(case: str, dialect: openai.Dialect) -> None:
    body = encoded(CASES[case], dialect=dialect)
    assert body["model"] == "gpt-4.1"
    assert body["messages"][-1]["role"] == "user"


def test_the_same_request_gives_the_same_bytes() -> None:
    request = CASES["schema"]
    assert openai.encode(OPENAI, "m", request, no_blobs) == openai.encode(OPENAI, "m", request, no_blobs)


def test_an_output_bound_always_goes_out() -> None:
    assert encoded(asked())["max_completion_tokens"] == 4_096
    assert encoded(asked(), "o3-mini")["max_completion_tokens"] == 16_384
    assert encoded(asked(max_output_tokens=9))["max_completion_tokens"] == 9


def test_compatible_servers_get_max_tokens() -> None:
    body = encoded(asked(), "llama-3.3-70b", COMPATIBLE)
    assert body["max_tokens"] == 4_096
    assert "max_completion_tokens" not in body


@pytest.mark.parametrize("model", ["o1", "o3-mini", "gpt-5-mini", "gpt-5.4", "gpt-6-sol", "openai/gpt-5"])
def test_reasoning_models_get_no_temperature(model: str) -> None:
    assert "temperature" not in encoded(asked(temperature=0.2), model)


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4o-mini", "gpt-5-chat-latest", "llama-3.1-8b"])
def test_other_models_get_their_temperature(model: str) -> None:
    assert encoded(asked(temperature=0.0), model)["temperature"] == 0.0


def test_a_closed_schema_goes_out_strict() -> None:
    shape = encoded(asked(schema=SCHEMA))["response_format"]["json_schema"]
    assert shape["strict"] is True
    assert shape["schema"] == SCHEMA


def test_a_schema_that_strict_mode_cannot_say_goes_out_as_it_is() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    shape = encoded(asked(schema=schema))["response_format"]["json_schema"]
    assert shape["strict"] is False
    assert shape["schema"] == schema


def test_a_server_without_schemas_reads_the_schema_in_the_system_prompt() -> None:
    body = encoded(asked(schema=SCHEMA, system="Be brief."), "deepseek-chat", JSON_OBJECT)
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"].startswith("Be brief.")
    assert '"mood"' in body["messages"][0]["content"]


def test_large_blobs_are_fetched_by_their_hash() -> None:
    request = asked(user("Look", blob(PNG, "image/png", inline=False)))
    body = openai.encode(OPENAI, "gpt-4.1", request, lambda name: PNG if len(name) == 64 else b"")
    url = openai_accepts(body)["messages"][0]["content"][1]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,iVBORw0KGgo")


def test_an_image_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="not supported yet"):
        openai.encode(OPENAI, "gpt-4.1", Request(("m",), (Message("user", (TextPart("x"),)),), want="image"), no_blobs)


def test_a_part_that_no_model_reads_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"song\.mid is audio/midi"):
        encoded(asked(user(blob(b"x", "audio/midi", "song.mid"))))


def test_an_answer_is_read() -> None:
    usage = Usage(20, 5, tokens_cached=8, tokens_reasoning=2)
    assert decoded(completion()) == Answer("Hi!", "stop", usage, "gpt-4.1-2025-04-14")


@pytest.mark.parametrize(
    ("reason", "finish"), [("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "other")]
)
def test_finish_reasons(reason: str, finish: str) -> None:
    body = completion()
    body["choices"][0]["finish_reason"] = reason
    answer = decoded(body)
    assert isinstance(answer, Answer)
    assert answer.finish == finish


def test_a_refusal_is_an_answer() -> None:
    body = completion()
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    answer = decoded(body)
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish) == ("I cannot help with that.", "refusal")


def test_content_in_parts_is_joined_without_the_thinking() -> None:
    body = completion()
    body["choices"][0]["message"]["content"] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Yes."},
    ]
    answer = decoded(body, official=False)
    assert isinstance(answer, Answer)
    assert answer.text == "Yes."


@pytest.mark.parametrize("content", [[{"type": []}], [{"type": {}, "text": 1}], [1, None], {"text": "x"}, 7])
def test_content_of_a_strange_shape_is_no_text_and_no_crash(content: Any) -> None:
    body = completion()
    body["choices"][0]["message"]["content"] = content
    answer = decoded(body, official=False)
    assert isinstance(answer, Answer)
    assert answer.text == ""


def test_reasoning_beside_the_completion_counts_as_output() -> None:
    details = {"reasoning_tokens": 2809}
    usage = with_usage(
        prompt_tokens=10120, completion_tokens=1499, total_tokens=14428, completion_tokens_details=details
    )
    assert usage is not None
    assert usage.tokens_out == 1499 + 2809


def test_cache_writes_are_counted() -> None:
    details = {"cached_tokens": 3, "cache_write_tokens": 4}
    usage = with_usage(prompt_tokens=10, completion_tokens=1, total_tokens=11, prompt_tokens_details=details)
    assert usage == Usage(10, 1, tokens_cached=3, tokens_cache_write=4)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 0, "completion_tokens": 5},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 20, "completion_tokens": 0},
        {"prompt_tokens": 20, "completion_tokens": -3},
        {"prompt_tokens": 20.5, "completion_tokens": 5},
        {"prompt_tokens": "20", "completion_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": 10**30, "completion_tokens": 5},
        {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 21}},
        {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}},
    ],
)
def test_usage_that_cannot_be_true_is_none(usage: dict[str, Any]) -> None:
    assert with_usage(**usage) is None


def test_no_output_is_true_for_an_empty_answer() -> None:
    body = completion(usage={"prompt_tokens": 20, "completion_tokens": 0, "total_tokens": 20})
    body["choices"][0]["message"]["content"] = ""
    answer = decoded(body)
    assert isinstance(answer, Answer)
    assert answer.usage == Usage(20, 0)


def test_missing_usage_is_none() -> None:
    body = completion()
    del body["usage"]
    answer = decoded(body, official=False)
    assert isinstance(answer, Answer)
    assert answer.usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b"\xef\xbb\xbf{}",
        b'{"choices":[{"mess',
        b"[]",
        b'"hello"',
        b"null",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":{"0":1}}',
        b"\xff\xfe",
        b"[" * 200_000,
    ],
)
def test_a_success_that_is_no_answer_is_malformed_and_kept(body: bytes) -> None:
    fault = openai.decode(Received(200, {}, body))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("malformed", "unknown")
    assert fault.body == body[:65_536]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "upstream died", "code": 502}},
        {"error": "upstream died"},
        {"choices": [{"error": {"message": "upstream died"}, "message": {"role": "assistant", "content": "Hal"}}]},
    ],
)
def test_an_error_inside_a_success_is_cut(body: dict[str, Any]) -> None:
    fault = decoded(body, official=False)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.outcome) == ("cut", "unknown")
    assert "upstream died" in fault.message


def test_half_a_surrogate_does_not_lose_a_paid_answer() -> None:
    data = msgspec.json.encode(completion()).replace(b"Hi!", b"Hi \\ud83d!")
    answer = openai.decode(Received(200, {}, data))
    assert isinstance(answer, Answer)
    assert answer.text == "Hi \ufffd!"


def test_limits_are_read_from_the_headers() -> None:
    found = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert openai.hint(Received(200, found, b"")) == RateHint(500, 499, 0.12, 30_000, 0, 360.0)
    assert openai.hint(Received(200, {"x-ratelimit-limit-tokens": "many"}, b"")) is None

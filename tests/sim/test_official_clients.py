"""The vendors' own clients are the judges of the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as gemini_errors
from google.genai import types
from pydantic import BaseModel, Field

from tests.sim.harness import box

TEXT = "The kettle leaks. I bought it in March and it broke in April. The shop was friendly, but I want a refund."


class Complaint(BaseModel):
    product: str
    severity: int = Field(description="1 to 5")
    mood: str | None
    quotes: list[str]


class Nested(BaseModel):
    title: str
    complaints: list[Complaint]


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with box() as server:
        yield f"http://127.0.0.1:{server.port}"


def openai_at(base: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key="key", max_retries=0)


def anthropic_at(base: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=base, api_key="key", max_retries=0)


def gemini_at(base: str) -> genai.Client:
    return genai.Client(api_key="key", http_options=types.HttpOptions(base_url=base))


def test_openai_gives_a_plain_answer(base: str) -> None:
    with openai_at(base) as client:
        got = client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": f"Summarize in one line: {TEXT}"}]
        )
    assert (got.choices[0].message.content or "?") in TEXT
    assert got.choices[0].finish_reason == "stop"
    assert got.usage is not None
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens > 10


def test_openai_parses_a_structured_answer(base: str) -> None:
    with openai_at(base) as client:
        got = client.chat.completions.parse(
            model="small", messages=[{"role": "user", "content": TEXT}], response_format=Nested
        )
    assert got.choices[0].message.parsed is not None
    assert got.choices[0].message.parsed.complaints


def test_openai_lists_models(base: str) -> None:
    with openai_at(base) as client:
        assert {model.id for model in client.models.list()} >= {"small", "large"}


def test_openai_sees_its_own_finish_when_the_bound_is_reached(base: str) -> None:
    with openai_at(base) as client:
        got = client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": TEXT}], max_completion_tokens=3
        )
    assert got.choices[0].finish_reason == "length"
    assert got.usage is not None
    assert got.usage.completion_tokens == 3


def test_openai_raises_its_own_error_for_a_bad_request(base: str) -> None:
    with openai_at(base) as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=[])
    assert caught.value.param == "messages"


def test_openai_refuses_a_strict_schema_that_leaves_objects_open(base: str) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
    with openai_at(base) as client, pytest.raises(openai.BadRequestError, match="additionalProperties"):
        client.chat.completions.create(
            model="small",
            messages=[{"role": "user", "content": TEXT}],
            response_format=form,
        )


def test_anthropic_gives_a_plain_answer(base: str) -> None:
    with anthropic_at(base) as client:
        got = client.messages.create(
            model="small", max_tokens=200, system="Be short.", messages=[{"role": "user", "content": TEXT}]
        )
    assert got.content[0].type == "text"
    assert got.stop_reason == "end_turn"
    assert got.usage.input_tokens > 10


def test_anthropic_parses_a_structured_answer(base: str) -> None:
    with anthropic_at(base) as client:
        got = client.messages.parse(
            model="small", max_tokens=2000, messages=[{"role": "user", "content": TEXT}], output_format=Nested
        )
    assert got.parsed_output is not None
    assert got.parsed_output.complaints


def test_anthropic_raises_its_own_error_for_a_bad_request(base: str) -> None:
    with anthropic_at(base) as client, pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(model="small", max_tokens=5, messages=[])


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "object", "properties": {}}, "additionalProperties"),
        (
            {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "additionalProperties": False},
            "'minimum' is not supported",
        ),
    ],
)
def test_anthropic_refuses_the_schemas_that_its_client_would_rewrite(base: str, schema: Any, said: str) -> None:
    with anthropic_at(base) as client, pytest.raises(anthropic.BadRequestError, match=said):
        client.messages.create(
            model="small",
            max_tokens=9,
            messages=[{"role": "user", "content": TEXT}],
            output_config={"format": {"type": "json_schema", "schema": schema}},
        )


def test_anthropic_lists_models(base: str) -> None:
    with anthropic_at(base) as client:
        assert {model.id for model in client.models.list()} >= {"small", "large"}


def test_gemini_gives_a_plain_answer(base: str) -> None:
    with gemini_at(base) as client:
        got = client.models.generate_content(model="small", contents=TEXT)
    assert got.text
    assert got.candidates is not None
    assert got.candidates[0].finish_reason == types.FinishReason.STOP
    assert got.usage_metadata is not None
    assert (got.usage_metadata.prompt_token_count or 0) > 10


def test_gemini_parses_a_structured_answer(base: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Nested)
    with gemini_at(base) as client:
        got = client.models.generate_content(model="small", contents=TEXT, config=config)
    assert isinstance(got.parsed, Nested)


def test_gemini_obeys_a_plain_json_schema(base: str) -> None:
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=Nested.model_json_schema()
    )
    with gemini_at(base) as client:
        got = client.models.generate_content(model="small", contents=TEXT, config=config)
    assert Nested.model_validate_json(got.text or "").complaints


def test_gemini_draws_a_picture(base: str) -> None:
    config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])
    with gemini_at(base) as client:
        got = client.models.generate_content(model="small", contents="Draw a kettle", config=config)
    assert got.parts is not None
    picture = next(part.inline_data for part in got.parts if part.inline_data)
    assert picture.mime_type == "image/png"
    assert (picture.data or b"").startswith(b"\x89PNG")


def test_gemini_raises_its_own_error_for_a_bad_request(base: str) -> None:
    config = types.GenerateContentConfig(temperature=9.0)
    with gemini_at(base) as client, pytest.raises(gemini_errors.ClientError) as caught:
        client.models.generate_content(model="small", contents=TEXT, config=config)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("status", "openai_error", "anthropic_error"),
    [
        (401, openai.AuthenticationError, anthropic.AuthenticationError),
        (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (500, openai.InternalServerError, anthropic.InternalServerError),
        (503, openai.InternalServerError, anthropic.InternalServerError),
        (529, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
def test_every_error_status_is_the_clients_own_error(
    status: int, openai_error: type[Exception], anthropic_error: type[Exception]
) -> None:
    with box(f'[[outages]]\nfrom_s = 0\nto_s = 1000\nkind = "status_{status}"') as server:
        base = f"http://127.0.0.1:{server.port}"
        with openai_at(base) as client, pytest.raises(openai_error):
            client.chat.completions.create(model="small", messages=[{"role": "user", "content": TEXT}])
        with anthropic_at(base) as other, pytest.raises(anthropic_error):
            other.messages.create(model="small", max_tokens=5, messages=[{"role": "user", "content": TEXT}])
        with gemini_at(base) as client, pytest.raises(gemini_errors.APIError) as caught:
            client.models.generate_content(model="small", contents=TEXT)
        assert caught.value.code == status


def test_a_used_up_quota_is_told_as_each_vendor_tells_it() -> None:
    with box('[[outages]]\nfrom_s = 0\nto_s = 1000\nkind = "quota"') as server:
        base = f"http://127.0.0.1:{server.port}"
        with openai_at(base) as client, pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="small", messages=[{"role": "user", "content": TEXT}])
        assert caught.value.code == "insufficient_quota"
        with anthropic_at(base) as other, pytest.raises(anthropic.APIStatusError) as refused:
            other.messages.create(model="small", max_tokens=5, messages=[{"role": "user", "content": TEXT}])
        assert refused.value.status_code == 402


def test_rate_limits_stand_in_the_headers_and_end_in_a_429() -> None:
    with box("[limits]\nrequests_per_min = 2\ntokens_per_min = 100000") as server:
        base = f"http://127.0.0.1:{server.port}"
        with openai_at(base) as client:
            raw = client.chat.completions.with_raw_response.create(
                model="small", messages=[{"role": "user", "content": TEXT}]
            )
            assert raw.headers["x-ratelimit-limit-requests"] == "2"
            assert raw.headers["x-ratelimit-remaining-requests"] == "1"
            assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
        with anthropic_at(base) as other:
            said = other.messages.with_raw_response.create(
                model="small", max_tokens=5, messages=[{"role": "user", "content": TEXT}]
            )
            assert said.headers["anthropic-ratelimit-requests-remaining"] == "0"
            assert said.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
            with pytest.raises(anthropic.RateLimitError) as caught:
                other.messages.create(model="small", max_tokens=5, messages=[{"role": "user", "content": TEXT}])
            assert 1 <= int(caught.value.response.headers["retry-after"]) <= 31

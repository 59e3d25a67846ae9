"""Names, addresses and keys joined into endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.money import FREE
from packmule.core.ports import Endpoint
from packmule.errors import KeyMissing, ModelUnknown, PriceUnknown, UsageError
from packmule.providers.endpoint import ModelEndpoint
from packmule.providers.prices import PriceBook
from packmule.providers.registry import PROVIDERS, canonical_model, resolve
from tests.providers.orders import asked, no_blobs

CANARY = "sk-CANARY-1414213562"
KEYS = {name: CANARY for row in PROVIDERS.values() for name in row.keys}


class Wire:
    """A transport that keeps what it was given and answers with what it holds."""

    def __init__(self, answer: Received | Fault) -> None:
        self.answer = answer
        self.sent: list[WireRequest] = []

    async def send(self, request: WireRequest, timeout_s: float) -> Received | Fault:
        self.sent.append(request)
        return self.answer

    async def close(self) -> None:
        return


def found(
    model: str,
    env: Mapping[str, str] = KEYS,
    base_url: str | None = None,
    *,
    wire: Wire | None = None,
    free: bool = False,
) -> ModelEndpoint:
    transport = wire or Wire(Received(200, {}, b"{}"))
    book = PriceBook({canonical_model(model, env, base_url): FREE} if free else {})
    endpoint: Endpoint = resolve(model, env=env, base_url=base_url, prices=book, transport_for=lambda _: transport)
    assert isinstance(endpoint, ModelEndpoint)
    return endpoint


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("openai/gpt-5-mini", "openai/gpt-5-mini"),
        ("google/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("OpenAI/gpt-5", "openai/gpt-5"),
        ("gpt-5-mini", "openai/gpt-5-mini"),
        ("chatgpt-4o-latest", "openai/chatgpt-4o-latest"),
        ("o3", "openai/o3"),
        ("o4-mini", "openai/o4-mini"),
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("grok-4", "xai/grok-4"),
        ("mistral-small-latest", "mistral/mistral-small-latest"),
        ("deepseek-chat", "deepseek/deepseek-chat"),
        ("sim/small", "sim/small"),
        ("openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("vllm/Qwen/Qwen3-8B", "vllm/Qwen/Qwen3-8B"),
        (" x-ai/grok-4 ", "xai/grok-4"),
    ],
)
def test_names_resolve(name: str, full: str) -> None:
    assert canonical_model(name, {}) == full
    assert canonical_model(full, {}) == full


@pytest.mark.parametrize("name", ["", "/", "openai/", "nobody/x", "my-model", "Qwen/Qwen3-8B"])
def test_an_unknown_name_is_refused_with_what_to_type(name: str) -> None:
    with pytest.raises(ModelUnknown) as caught:
        canonical_model(name, {})
    assert "provider/model" in caught.value.hint


def test_a_slip_of_the_pen_gets_the_nearest_name() -> None:
    with pytest.raises(ModelUnknown) as caught:
        canonical_model("opnai/gpt-5-mini", {})
    assert "did you mean openai/gpt-5-mini?" in caught.value.hint


def test_with_an_own_server_any_name_is_a_model_of_it() -> None:
    assert canonical_model("Qwen/Qwen3-8B", {}, "http://localhost:8000/v1") == "openai/Qwen/Qwen3-8B"
    assert canonical_model("my-model", {"OPENAI_BASE_URL": "http://localhost:8000/v1"}) == "openai/my-model"


@pytest.mark.parametrize(
    ("model", "url", "header"),
    [
        ("openai/gpt-5-mini", "https://api.openai.com/v1/chat/completions", "authorization"),
        ("anthropic/claude-sonnet-4-5", "https://api.anthropic.com/v1/messages", "x-api-key"),
        (
            "gemini/gemini-2.5-pro",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
            "x-goog-api-key",
        ),
        ("groq/llama-3.3-70b-versatile", "https://api.groq.com/openai/v1/chat/completions", "authorization"),
        ("openrouter/openai/gpt-4.1", "https://openrouter.ai/api/v1/chat/completions", "authorization"),
    ],
)
def test_a_request_goes_to_its_provider_with_its_key(model: str, url: str, header: str) -> None:
    wire = Wire(Received(200, {}, b"{}"))
    endpoint = found(model, wire=wire)
    asyncio.run(endpoint.send(endpoint.encode(asked(), no_blobs), 5.0))
    (request,) = wire.sent
    assert (request.method, request.url) == ("POST", url)
    assert CANARY in request.headers[header]
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"])
def test_a_missing_key_names_the_variable_to_set(model: str) -> None:
    with pytest.raises(KeyMissing) as caught:
        found(model, {})
    assert "_API_KEY" in str(caught.value)
    assert "export" in caught.value.hint


def test_own_servers_need_no_key() -> None:
    assert found("ollama/llama3", {}, free=True).url == "http://localhost:11434/v1/chat/completions"
    endpoint = found("openai/mine", {}, "http://localhost:8000/v1", free=True)
    assert endpoint.url == "http://localhost:8000/v1/chat/completions"


def test_the_providers_own_address_said_aloud_still_needs_its_key() -> None:
    with pytest.raises(KeyMissing):
        found("openai/gpt-5-mini", {}, "https://api.openai.com/v1")


def test_an_own_server_gets_max_tokens_and_a_gateway_to_openai_does_not() -> None:
    own = found("openai/mine", {}, "http://localhost:8000/v1", free=True)
    assert b'"max_tokens"' in own.encode(asked(), no_blobs)
    gateway = found("openai/gpt-5-mini", {}, "https://gateway.example.com/v1")
    assert b'"max_completion_tokens"' in gateway.encode(asked(), no_blobs)


@pytest.mark.parametrize(
    ("model", "variable", "url"),
    [
        ("openai/gpt-5-mini", "OPENAI_BASE_URL", "https://proxy.example.com/chat/completions"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_BASE_URL", "https://proxy.example.com/v1/messages"),
        (
            "gemini/gemini-2.5-pro",
            "GOOGLE_GEMINI_BASE_URL",
            "https://proxy.example.com/v1beta/models/gemini-2.5-pro:generateContent",
        ),
    ],
)
def test_the_sdks_own_variables_for_the_address_work(model: str, variable: str, url: str) -> None:
    assert found(model, {**KEYS, variable: "https://proxy.example.com/"}).url == url


def test_a_given_address_wins_over_the_variable() -> None:
    env = {**KEYS, "OPENAI_BASE_URL": "https://other.example.com/v1"}
    assert found("openai/gpt-5-mini", env, "https://mine.example.com/v1").url.startswith("https://mine.example.com/v1")


def test_a_key_is_never_sent_to_another_provider() -> None:
    with pytest.raises(UsageError, match="the key of openai is never sent there"):
        found("openai/gpt-5-mini", KEYS, "https://api.groq.com/openai/v1")


def test_a_bad_address_is_named_by_its_source() -> None:
    with pytest.raises(UsageError, match="OPENAI_BASE_URL is http://example"):
        found("openai/gpt-5-mini", {**KEYS, "OPENAI_BASE_URL": "http://example.com/v1"})


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("sim/small", "http://sim.invalid/v1/chat/completions"),
        ("sim/claude-x", "http://sim.invalid/v1/messages"),
        ("sim/gemini-x", "http://sim.invalid/v1beta/models/gemini-x:generateContent"),
    ],
)
def test_the_simulated_provider_speaks_all_three_and_needs_no_key(model: str, url: str) -> None:
    assert found(model, {}).url == url


def test_only_anthropic_bounds_the_ramp() -> None:
    assert found("anthropic/claude-sonnet-4-5").growth_per_min == 2.0
    assert found("openai/gpt-5-mini").growth_per_min is None


def test_a_model_without_a_price_is_refused() -> None:
    with pytest.raises(PriceUnknown):
        found("openai/gpt-99-turbo-imaginary")


def test_a_key_is_in_no_repr_and_no_error() -> None:
    endpoint = found("openai/gpt-5-mini")
    assert CANARY not in f"{endpoint} {endpoint!r} {endpoint.url}"
    for model, base_url in (("openai/gpt-99", None), ("openai/gpt-5-mini", "http://example.com")):
        with pytest.raises((PriceUnknown, UsageError)) as caught:
            found(model, KEYS, base_url)
        assert CANARY not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "answer",
    [
        Received(401, {"x-echo": CANARY}, f'{{"error":{{"message":"bad key {CANARY}"}}}}'.encode()),
        Received(200, {}, f'{{"choices":[{{"message":{{"content":"{CANARY}"}}}}]}}'.encode()),
        Fault("reset", "unknown", f"it broke at {CANARY}", body=CANARY.encode()),
    ],
)
def test_a_server_that_echoes_the_key_is_not_believed(answer: Received | Fault) -> None:
    endpoint = found("openai/gpt-5-mini", wire=Wire(answer))
    got = asyncio.run(endpoint.send(b"{}", 5.0))
    assert CANARY not in repr(got)
    assert type(got) is type(answer)
    if isinstance(got, Received):
        assert CANARY not in repr(endpoint.decode(got))


def test_an_answer_without_the_key_passes_untouched() -> None:
    answer = Received(200, {"a": "b"}, b"{}")
    assert asyncio.run(found("openai/gpt-5-mini", wire=Wire(answer)).send(b"{}", 5.0)) is answer


def test_the_bounds_and_hints_are_the_codecs() -> None:
    endpoint = found("openai/gpt-4.1")
    body = endpoint.encode(asked(), no_blobs)
    assert endpoint.bounds(asked(), body).tokens_out == 4_096
    hint = endpoint.hint(Received(200, {"x-ratelimit-limit-requests": "5"}, b""))
    assert hint is not None
    assert hint.requests_limit == 5


@pytest.mark.parametrize(
    ("model", "base_url", "bytes_max"),
    [
        ("openai/gpt-5-mini", None, 200_000_000),
        ("anthropic/claude-sonnet-4-5", None, 256_000_000),
        ("gemini/gemini-2.5-pro", None, 20_000_000),
        ("openai/gpt-5-mini", "https://gateway.example.com/v1", 200_000_000),
        ("sim/small", None, 200_000_000),
        ("sim/claude-x", None, 256_000_000),
        ("sim/gemini-x", "http://localhost:8021", 20_000_000),
    ],
)
def test_providers_with_batch_jobs_have_them_behind_any_address(
    model: str, base_url: str | None, bytes_max: int
) -> None:
    jobs = found(model, KEYS, base_url).jobs()
    assert jobs is not None
    assert jobs.limits.bytes == bytes_max
    assert jobs.limits.discount == (1, 2)
    assert CANARY not in repr(jobs)


@pytest.mark.parametrize("model", ["groq/llama-3.3-70b-versatile", "openrouter/openai/gpt-4.1", "ollama/llama3"])
def test_other_providers_have_none(model: str) -> None:
    assert found(model, free=True).jobs() is None


@pytest.mark.parametrize(
    ("model", "url", "reads"),
    [
        ("openai/gpt-5-mini", None, True),
        ("openai/gpt-5-mini", "http://localhost:9000/v1", False),
        ("anthropic/claude-haiku-4-5", None, True),
        ("anthropic/claude-haiku-4-5", "http://localhost:9000", True),
        ("gemini/gemini-2.5-flash", None, True),
        ("groq/openai/gpt-oss-20b", None, False),
        ("ollama/llama3", None, False),
        ("sim/small", None, True),
    ],
)
def test_a_pdf_goes_as_it_is_only_where_it_is_read(model: str, url: str | None, reads: bool) -> None:
    keys = {name: "sk-canary" for row in PROVIDERS.values() for name in row.keys}
    assert found(model, env=keys, base_url=url, free=True).reads_pdf is reads

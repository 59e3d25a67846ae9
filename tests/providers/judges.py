"""The vendors' own SDK types as judges of what we send and of what our tests pretend to receive."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from pydantic import TypeAdapter

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from anthropic.types import Message as AnthropicMessage
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
    from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
    from anthropic.types.messages.batch_create_params import BatchCreateParams as AnthropicBatchParams
    from google import genai
    from google.genai import batches as google_batches
    from google.genai import types as google
    from openai.types import Batch, FileObject
    from openai.types.batch_create_params import BatchCreateParams
    from openai.types.chat import ChatCompletion
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming


def openai_accepts(body: bytes) -> dict[str, Any]:
    return _typed_dict_accepts(CompletionCreateParamsNonStreaming, body)


# The SDK speaks API version 2026-10-21, which has no temperature; we speak 2023-06-01, where older models take one.
ANTHROPIC_OLDER_FIELDS = frozenset(("temperature",))


def anthropic_accepts(body: bytes) -> dict[str, Any]:
    return _typed_dict_accepts(MessageCreateParamsNonStreaming, body, ANTHROPIC_OLDER_FIELDS)


def gemini_accepts(body: bytes) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(body)
    assert data.keys() <= {"contents", "systemInstruction", "generationConfig"}
    for content in data["contents"]:
        google.Content.model_validate(content)
    if "systemInstruction" in data:
        google.Content.model_validate(data["systemInstruction"])
    google.GenerationConfig.model_validate(data["generationConfig"])
    return data


def openai_answers(body: bytes) -> bytes:
    ChatCompletion.model_validate_json(body)
    return body


def anthropic_answers(body: bytes) -> bytes:
    AnthropicMessage.model_validate_json(body)
    return body


def gemini_answers(body: bytes) -> bytes:
    google.GenerateContentResponse.model_validate_json(body)
    return body


def openai_batch(body: bytes) -> bytes:
    Batch.model_validate_json(body)
    return body


def openai_file(body: bytes) -> bytes:
    FileObject.model_validate_json(body)
    return body


def openai_accepts_batch(body: bytes) -> dict[str, Any]:
    return _typed_dict_accepts(BatchCreateParams, body)


def anthropic_batch(body: bytes) -> bytes:
    MessageBatch.model_validate_json(body)
    return body


def anthropic_row(line: bytes) -> bytes:
    MessageBatchIndividualResponse.model_validate_json(line)
    return line


def anthropic_accepts_batch(body: bytes) -> dict[str, Any]:
    return _typed_dict_accepts(AnthropicBatchParams, body)


def gemini_job(body: bytes) -> google.BatchJob:
    """The operation as the SDK reads it."""
    return google.BatchJob.model_validate(google_batches._BatchJob_from_mldev(msgspec.json.decode(body)))


def gemini_states() -> set[str]:
    return {state.value for state in google.JobState}


def gemini_wants_batch(name: str, contents: Any, keys: list[str]) -> dict[str, Any]:
    """The body that the SDK itself sends for such a job."""
    requests = [{"contents": contents, "metadata": {"key": key}} for key in keys]
    parameters = {"model": "gemini-2.5-flash", "src": {"inlined_requests": requests}, "config": {"display_name": name}}
    model = google._CreateBatchJobParameters.model_validate(parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = genai.Client(api_key="none")._api_client
        return dict(google_batches._CreateBatchJobParameters_to_mldev(client, model))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TypeAdapter(kind)


def _typed_dict_accepts(kind: Any, body: bytes, more: frozenset[str] = frozenset()) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(body)
    unknown = data.keys() - kind.__required_keys__ - kind.__optional_keys__ - more
    assert not unknown, f"fields that the SDK does not know: {unknown}"
    _exhaust(_adapter(kind).validate_python(data))
    return data


def _exhaust(value: Any) -> None:
    """Iterables are checked when they are walked through."""
    if isinstance(value, Mapping):
        for part in value.values():
            _exhaust(part)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for part in value:
            _exhaust(part)

"""OpenAI's chat completions, and so the protocol of every endpoint that calls itself compatible."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from packmule.sim.asked import Asked, JsonSchema, Refused, Said
from packmule.sim.pdf import document_words
from packmule.sim.wire import BodyError, Rates, Reported, between, closed_objects, no_stream, whole

_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "server_is_overloaded"),
}


class OpenAIWire:
    """`POST /v1/chat/completions`."""

    name = "openai"
    quota_status = 429

    def parse(self, model: str, headers: dict[str, str], data: dict[str, Any]) -> Asked | Refused:
        """Read a chat completion request."""
        del model, headers
        try:
            return _asked(data)
        except BodyError as error:
            return Refused(400, str(error), error.param)

    def answer(self, asked: Asked, said: Said, usage: Reported | None, mark: str, utc_s: int) -> dict[str, Any]:
        """A chat completion."""
        refusal = said.text if said.finish == "refusal" else None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refusal else said.text,
            "refusal": refusal,
            "annotations": [],
        }
        finish = "length" if said.finish == "length" else "stop"
        body: dict[str, Any] = {
            "id": f"chatcmpl-{mark}",
            "object": "chat.completion",
            "created": utc_s,
            "model": asked.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "service_tier": "default",
            "system_fingerprint": "fp_box",
        }
        if usage is not None:
            body["usage"] = _usage(usage)
        return body

    def error(
        self, status: int, message: str, *, param: str | None = None, wait_s: float | None = None
    ) -> dict[str, Any]:
        """OpenAI tells a used-up credit as a 429 of its own; the provider sends that status for 402."""
        del wait_s
        kind, code = _KINDS.get(
            status, ("invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error", None)
        )
        if status == HTTPStatus.PAYMENT_REQUIRED:
            kind = code = "insufficient_quota"
        if param == "id":  # a file or a batch, not a model
            code = None
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def headers(self, rates: Rates, mark: str) -> dict[str, str]:
        """Resets are durations: `6m0s`, `1.25s`."""
        found = {"x-request-id": f"req_{mark}", "openai-version": "2020-10-01", "openai-processing-ms": "1"}
        for what, rate in (("requests", rates.requests), ("tokens", rates.tokens)):
            if rate is not None:
                found[f"x-ratelimit-limit-{what}"] = str(rate.limit)
                found[f"x-ratelimit-remaining-{what}"] = str(rate.remaining)
                found[f"x-ratelimit-reset-{what}"] = _duration(rate.reset_s)
        return found

    def models(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The list of models."""
        rows = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "box"} for name in names]
        return {"object": "list", "data": rows}


def _asked(data: dict[str, Any]) -> Asked:
    model = data.get("model")
    if not isinstance(model, str) or not model:
        message = "you must provide a model parameter"
        raise BodyError(message, "model")
    no_stream(data)
    between(data, "temperature", 0, 2)
    between(data, "top_p", 0, 1)
    if data.get("n") not in {None, 1}:
        message = "Invalid value for 'n': this provider in a box gives one choice."
        raise BodyError(message, "n")
    system, turns, images = _messages(data.get("messages"))
    schema, any_json = _format(data.get("response_format"))
    bound = whole(data, "max_completion_tokens")
    bound = whole(data, "max_tokens") if bound is None else bound
    return Asked(model, system, turns, schema, any_json, bound, images)


def _messages(value: Any) -> tuple[str, tuple[tuple[str, str], ...], int]:  # noqa: ANN401 - any JSON
    if value is None:
        message = "Missing required parameter: 'messages'."
        raise BodyError(message, "messages")
    if not isinstance(value, list) or not value:
        message = "Invalid 'messages': expected an array with at least 1 message."
        raise BodyError(message, "messages")
    system, turns, images = [], [], 0
    for number, entry in enumerate(value):
        place = f"messages[{number}]"
        role = entry.get("role") if isinstance(entry, dict) else None
        if role not in _ROLES:
            message = f"Invalid value for '{place}.role': supported values are {', '.join(sorted(_ROLES))}."
            raise BodyError(message, f"{place}.role")
        text, pictures = _content(entry.get("content"), place)
        images += pictures
        if role in {"system", "developer"}:
            system.append(text)
        else:
            turns.append((role, text))
    return "\n".join(system), tuple(turns), images


def _content(value: Any, place: str) -> tuple[str, int]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return value, 0
    if not isinstance(value, list):
        message = f"Invalid type for '{place}.content': expected one of a string or array of objects."
        raise BodyError(message, f"{place}.content")
    texts, images = [], 0
    for number, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in {"image_url", "file", "input_audio"} and isinstance(part.get(kind), dict):
            head, _, data = str(part[kind].get("file_data", "")).partition(";base64,")
            said = document_words(head.removeprefix("data:"), data)
            texts += [said] if said else []
            images += not said
        else:
            message = f"Invalid value: '{kind}'. Supported values are: 'text', 'image_url', 'input_audio' and 'file'."
            raise BodyError(message, f"{place}.content[{number}].type")
    return "\n".join(texts), images


def _format(value: Any) -> tuple[JsonSchema | None, bool]:  # noqa: ANN401 - any JSON
    if value is None:
        return None, False
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in {"text", "json_object"}:
        return None, kind == "json_object"
    named = value.get("json_schema") if kind == "json_schema" else None
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        message = "Missing required parameter: 'response_format.json_schema.name'."
        raise BodyError(message, "response_format")
    schema = named.get("schema", True)
    if named.get("strict"):
        try:
            closed_objects(schema, all_required=True)
        except BodyError as error:
            message = f"Invalid schema for response_format '{named['name']}': {error}"
            raise BodyError(message, "response_format") from error
    return schema, True


def _usage(usage: Reported) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.tokens_in,
        "completion_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _duration(wait_s: float) -> str:
    minutes, seconds = divmod(wait_s, 60)
    return f"{int(minutes)}m{seconds:.0f}s" if minutes else f"{seconds:.3f}s"

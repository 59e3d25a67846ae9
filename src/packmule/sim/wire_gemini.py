"""Gemini's generateContent."""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from typing import Any

from packmule.sim.asked import Asked, JsonSchema, Refused, Said
from packmule.sim.pdf import document_words
from packmule.sim.wire import BodyError, Rates, Reported, between, whole

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TOP = {
    "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent",
    "model", "labels", "store", "serviceTier",
}  # fmt: skip
_CONFIG = {
    "maxOutputTokens", "temperature", "topP", "topK", "candidateCount", "stopSequences", "seed",
    "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities", "presencePenalty",
    "frequencyPenalty", "thinkingConfig", "imageConfig", "mediaResolution", "speechConfig", "responseLogprobs",
    "logprobs", "responseFormat",
}  # fmt: skip


class GeminiWire:
    """`POST /v1beta/models/{model}:generateContent`."""

    name = "gemini"
    quota_status = 429

    def parse(self, model: str, headers: dict[str, str], data: dict[str, Any]) -> Asked | Refused:
        """Read a generateContent request."""
        del headers
        try:
            return _asked(model, data)
        except BodyError as error:
            return Refused(400, str(error), error.param)

    def answer(self, asked: Asked, said: Said, usage: Reported | None, mark: str, utc_s: int) -> dict[str, Any]:
        """A response with one candidate."""
        del utc_s
        finish = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}[said.finish]
        candidate: dict[str, Any] = {"finishReason": finish, "index": 0}
        if said.finish != "refusal":
            parts: list[dict[str, Any]] = [{"text": said.text}] if said.text else []
            if said.image is not None:
                parts.append({"inlineData": {"mimeType": "image/png", "data": b64encode(said.image).decode()}})
            candidate["content"] = {"role": "model", "parts": parts}
        body: dict[str, Any] = {"candidates": [candidate], "modelVersion": asked.model, "responseId": mark}
        if usage is not None:
            body["usageMetadata"] = {
                "promptTokenCount": usage.tokens_in,
                "candidatesTokenCount": usage.tokens_out,
                "totalTokenCount": usage.tokens_in + usage.tokens_out,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.tokens_in}],
            }
        return body

    def error(
        self, status: int, message: str, *, param: str | None = None, wait_s: float | None = None
    ) -> dict[str, Any]:
        """A google.rpc.Status; the time to wait stands in the body."""
        del param
        code = 429 if status == HTTPStatus.PAYMENT_REQUIRED else status
        error: dict[str, Any] = {"code": code, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
        if wait_s is not None:
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait_s:.0f}s"}
            error["details"] = [retry]
        return {"error": error}

    def headers(self, rates: Rates, mark: str) -> dict[str, str]:
        """Gemini says nothing of its limits."""
        del rates, mark
        return {"server-timing": "gfet4t7; dur=1"}

    def models(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The list of models."""
        methods = ["generateContent"]
        return {
            "models": [
                {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods} for name in names
            ]
        }


def _asked(model: str, data: dict[str, Any]) -> Asked:
    data = camel(data)
    _known(data, _TOP, "")
    config = data.get("generationConfig") or {}
    _known(config, _CONFIG, " at 'generation_config'")
    between(config, "temperature", 0, 2)
    if config.get("candidateCount") not in {None, 1}:
        message = "Multiple candidates is not enabled for this model"
        raise BodyError(message)
    turns, images = _contents(data.get("contents"))
    system, _ = _parts(data.get("systemInstruction") or {"parts": []})
    schema, any_json = _format(config)
    draw = "IMAGE" in (config.get("responseModalities") or ())
    return Asked(model, system, turns, schema, any_json, whole(config, "maxOutputTokens"), images, draw)


def camel(data: dict[str, Any]) -> dict[str, Any]:
    """The API takes both spellings of its own names."""

    def renamed(name: str) -> str:
        head, *rest = name.split("_")
        return head + "".join(word.capitalize() for word in rest)

    found = {renamed(key): value for key, value in data.items()}
    if isinstance(found.get("generationConfig"), dict):
        found["generationConfig"] = {renamed(key): value for key, value in found["generationConfig"].items()}
    return found


def _known(data: Any, names: set[str], where: str) -> None:  # noqa: ANN401 - any JSON
    if not isinstance(data, dict):
        message = f"Invalid JSON payload received: expected an object{where}."
        raise BodyError(message)
    for key in data:
        if key not in names:
            message = f'Invalid JSON payload received. Unknown name "{key}"{where}: Cannot find field.'
            raise BodyError(message, key)


def _contents(value: Any) -> tuple[tuple[tuple[str, str], ...], int]:  # noqa: ANN401 - any JSON
    if not isinstance(value, list) or not value:
        message = "* GenerateContentRequest.contents: contents is not specified"
        raise BodyError(message, "contents")
    turns, images = [], 0
    for entry in value:
        role = entry.get("role", "user") if isinstance(entry, dict) else None
        if role not in {"user", "model"}:
            message = "Please use a valid role: user, model."
            raise BodyError(message, "contents")
        text, pictures = _parts(entry)
        turns.append(("assistant" if role == "model" else "user", text))
        images += pictures
    return tuple(turns), images


def _parts(value: dict[str, Any]) -> tuple[str, int]:
    parts = value.get("parts") if isinstance(value, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        message = "* GenerateContentRequest.contents.parts: contents.parts must not be empty."
        raise BodyError(message, "contents")
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    data = [part for part in parts if {"inlineData", "inline_data", "fileData", "file_data"} & part.keys()]
    if len(texts) + len(data) < len(parts):
        message = "contents.parts: required oneof field 'data' must have one initialized field"
        raise BodyError(message, "contents")
    inline = (part.get("inlineData") or part.get("inline_data") or {} for part in data)
    said = [document_words(str(part.get("mimeType") or part.get("mime_type")), part.get("data")) for part in inline]
    texts = [*filter(None, said), *texts]
    return "\n".join(texts), said.count("")


def _format(config: dict[str, Any]) -> tuple[JsonSchema | None, bool]:
    plain, openapi = config.get("responseJsonSchema"), config.get("responseSchema")
    any_json = config.get("responseMimeType") == "application/json"
    if plain is None and openapi is None:
        return None, any_json
    if plain is not None and openapi is not None:
        message = "Only one of response_schema and response_json_schema may be set."
        raise BodyError(message)
    if not any_json:
        message = "Response schema is only supported with response mime type: 'application/json'."
        raise BodyError(message)
    return (plain if plain is not None else _from_openapi(openapi)), True


def _from_openapi(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Gemini's own schema dialect: types in capitals, `nullable`, counts as strings."""
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if key not in {"nullable", "propertyOrdering", "format"}}
    if isinstance(found.get("type"), str):
        found["type"] = found["type"].lower()
    for key in ("minItems", "maxItems", "minLength", "maxLength"):
        if key in found:
            found[key] = int(found[key])
    if "properties" in found:
        found["properties"] = {name: _from_openapi(part) for name, part in found["properties"].items()}
    if "items" in found:
        found["items"] = _from_openapi(found["items"])
    if "anyOf" in found:
        found["anyOf"] = [_from_openapi(part) for part in found["anyOf"]]
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") else found

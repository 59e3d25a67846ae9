"""A schema that asks for values and, beside them, for quotes: `{"values": ..., "evidence": [{"path", "quote"}]}`.

Values are judged as ever, by the user's own schema. Evidence is never a reason to refuse an answer: what is no path and
no quote is left out, and the value it was for has no citation.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from packmule.checks.found import Found
from packmule.checks.schema import Schema
from packmule.core.ports import Rejection

VALUES, EVIDENCE = "values", "evidence"
_KEPT_PLACE = re.compile(r"#/(?:\$defs|definitions)/|#[^/]")


def with_evidence(schema: Schema) -> Schema:
    """The schema to ask with. Its checked value is `{"values": the value, "evidence": [[path, quote], ...]}`."""
    return Schema(schema.name, msgspec.json.encode(_wrapped(msgspec.json.decode(schema.canonical))), _judge(schema))


def _judge(schema: Schema) -> Any:  # noqa: ANN401 - a Judge
    def judge(found: Found) -> Any:  # noqa: ANN401 - any JSON value
        answer = found[1]
        if not isinstance(answer, dict) or VALUES not in answer:
            reason = f'the answer does not fit the schema: the field "{VALUES}" is missing'
            raise Rejection(reason, "schema")
        values = answer[VALUES]
        text = msgspec.json.encode(values).decode()
        return {VALUES: schema.judge((text, values)), EVIDENCE: _pairs(answer.get(EVIDENCE))}

    return judge


def _pairs(given: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    pairs = ((entry.get("path"), entry.get("quote")) for entry in entries)
    return [(path, quote) for path, quote in pairs if isinstance(path, str) and isinstance(quote, str)]


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """Definitions move to the root, where their references already point; other references are moved along."""
    inner = {key: value for key, value in schema.items() if key not in {"$id", "$schema", "$defs", "definitions"}}
    entry = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "quote": {"type": "string"}},
        "required": ["path", "quote"],
        "additionalProperties": False,
    }
    wrapped = {
        "type": "object",
        "properties": {VALUES: inner, EVIDENCE: {"type": "array", "items": entry}},
        "required": [VALUES, EVIDENCE],
        "additionalProperties": False,
    }
    moved: dict[str, Any] = _moved(wrapped | {key: schema[key] for key in ("$defs", "definitions") if key in schema})
    return moved


def _moved(node: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(node, list):
        return [_moved(part) for part in node]
    if not isinstance(node, dict):
        return node
    found = {key: _moved(value) for key, value in node.items()}
    place = node.get("$ref")
    if isinstance(place, str) and not _KEPT_PLACE.match(place):
        found["$ref"] = f"#/properties/{VALUES}{place[1:]}"
    return found

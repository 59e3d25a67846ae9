"""A JSON Schema in the dialect that a vendor can enforce while the model writes.

Enforced or not, an answer is judged by the user's own schema afterwards, so a dialect may be looser than it: a limit
that the vendor cannot enforce (a length, say) moves into the description, where the model still reads it. It is
narrowed in two ways only, and only where an answer stays a good one: `additionalProperties` becomes false where
nothing was said, and an optional property that may be null becomes required. What cannot be said in the dialect
is `None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

Node = dict[str, Any]

_PLAIN = frozenset(("type", "title", "description", "enum", "const", "$ref"))
_SILENT = frozenset(("default", "examples", "$schema", "$comment", "deprecated", "readOnly", "writeOnly"))
_LIMITS = frozenset(
    (
        "minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems"
        " maxItems uniqueItems minProperties maxProperties"
    ).split()
)
_NUMERIC = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which limits and formats are enforced, and what the shape must be.

    `all_required`: every property; `object_root`: the whole is an object; `all_of`: intersections can be said.
    """

    limits: frozenset[str]
    formats: frozenset[str]
    all_required: bool
    object_root: bool
    all_of: bool


_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
OPENAI_STRICT = Dialect(
    limits=_NUMERIC | {"pattern", "format", "minItems", "maxItems"},
    formats=_FORMATS,
    all_required=True,
    object_root=True,
    all_of=False,
)
ANTHROPIC = Dialect(
    limits=frozenset(("format",)),
    formats=_FORMATS | {"uri"},
    all_required=False,
    object_root=False,
    all_of=True,
)


class _Beyond(Exception):
    """The schema says something that the dialect cannot."""


@lru_cache(maxsize=64)
def in_dialect(schema: str, dialect: Dialect) -> msgspec.Raw | None:
    """The schema (canonical JSON) in a dialect, or None when it cannot be said in it."""
    root = msgspec.json.decode(schema)
    try:
        node = _node(root, dialect)
    except (_Beyond, RecursionError):
        return None
    if dialect.object_root and node.get("type") != "object":
        return None
    return msgspec.Raw(msgspec.json.encode(node))


def _node(node: Any, dialect: Dialect) -> Node:  # noqa: ANN401 - any JSON value
    if not isinstance(node, dict) or not node:
        raise _Beyond
    out: Node = {key: node[key] for key in node if key in _PLAIN}
    for name in ("$defs", "definitions"):
        if name in node:
            out[name] = {key: _node(value, dialect) for key, value in node[name].items()}
    if "$ref" in node:
        return _reference(node, out)
    rest = {key: value for key, value in node.items() if key not in out and key not in _SILENT}
    for name in ("anyOf", "oneOf"):
        if name in rest:
            out["anyOf"] = [_node(variant, dialect) for variant in rest.pop(name)]
    if "allOf" in rest and dialect.all_of:
        out["allOf"] = [_node(part, dialect) for part in rest.pop("allOf")]
    _object(node, rest, out, dialect)
    if "items" in rest:
        out["items"] = _node(rest.pop("items"), dialect)
    _limits(rest, out, dialect)
    if not out.keys() & {"type", "enum", "const", "anyOf", "allOf"}:
        raise _Beyond
    return out


def _reference(node: Node, out: Node) -> Node:
    """A reference stands alone: words beside it are dropped, rules beside it cannot be said."""
    if set(node) - _PLAIN - _SILENT - {"$defs", "definitions"} or node.keys() & {"type", "enum", "const"}:
        raise _Beyond
    return {key: value for key, value in out.items() if key in {"$ref", "$defs", "definitions"}}


def _object(node: Node, rest: Node, out: Node, dialect: Dialect) -> None:
    properties = rest.pop("properties", None)
    required = rest.pop("required", [])
    open_to_more = rest.pop("additionalProperties", False)
    if properties is None:
        types = node.get("type")
        if types == "object" or (isinstance(types, list) and "object" in types) or required:
            raise _Beyond
        return
    if open_to_more is not False or not properties:
        raise _Beyond
    if dialect.all_required:
        if any(name not in required and not _nullable(value) for name, value in properties.items()):
            raise _Beyond
        required = list(properties)
    out["properties"] = {name: _node(value, dialect) for name, value in properties.items()}
    out["required"] = required
    out["additionalProperties"] = False


def _nullable(node: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(node, dict):
        return False
    types = node.get("type")
    if types == "null" or (isinstance(types, list) and "null" in types):
        return "enum" not in node or None in node["enum"]
    return any(_nullable(variant) for variant in node.get("anyOf", ()))


def _limits(rest: Node, out: Node, dialect: Dialect) -> None:
    """Enforced limits stay, others become words; anything else is beyond the dialect."""
    words = []
    for name, value in rest.items():
        if name not in _LIMITS:
            raise _Beyond
        if name in dialect.limits and _enforced(name, value, dialect):
            out[name] = value
        else:
            words.append(f"{name}: {value}")
    if words:
        said = out.get("description")
        out["description"] = f"{said} ({', '.join(words)})" if said else ", ".join(words)


def _enforced(name: str, value: Any, dialect: Dialect) -> bool:  # noqa: ANN401 - any JSON value
    if name == "format":
        return value in dialect.formats
    return name != "pattern" or "(?" not in str(value)

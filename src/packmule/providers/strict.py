"""Strict structured output: it wants every object closed and every property required.

Where a schema is not so, we do not bend it: it goes out unstrict, and our own check judges the answer.
"""

from __future__ import annotations

from typing import Any

_UNSUPPORTED = {"patternProperties", "oneOf", "not", "if", "dependentSchemas", "unevaluatedProperties", "propertyNames"}


def strict_or_not(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema as it is, and whether strict mode can carry it."""
    return schema, schema.get("type") == "object" and _strict(schema)


def _strict(node: object) -> bool:
    if isinstance(node, list):
        return all(_strict(part) for part in node)
    if not isinstance(node, dict):
        return True
    if _UNSUPPORTED & node.keys():
        return False
    properties = node.get("properties")
    if isinstance(properties, dict):
        closed = node.get("additionalProperties") is False and set(node.get("required") or ()) == set(properties)
        if not closed:
            return False
        return all(_strict(part) for part in properties.values()) and _strict_rest(node)
    if node.get("type") == "object":
        return False
    return _strict_rest(node)


def _strict_rest(node: dict[str, Any]) -> bool:
    names = list(node["$defs"].values()) if isinstance(node.get("$defs"), dict) else []
    return _strict(names) and all(_strict(node[key]) for key in ("items", "anyOf", "allOf") if key in node)

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


_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
_PLAIN = ("$ref", "type", "enum", "const", "title", "required")
_BRANCHES = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The form that Anthropic takes: objects closed, bounds moved into the description; our own check holds them."""
    rest = dict(schema)
    found: dict[str, Any] = {name: rest.pop(name) for name in _PLAIN if name in rest}
    for name, kept in _BRANCHES.items():
        if name in rest:
            found[kept] = [closed(part) for part in rest.pop(name)]
    for name in ("$defs", "properties"):
        if isinstance(rest.get(name), dict):
            found[name] = {key: closed(part) for key, part in rest.pop(name).items()}
    if isinstance(rest.get("items"), dict):
        found["items"] = closed(rest.pop("items"))
    if rest.get("minItems") in {0, 1}:
        found["minItems"] = rest.pop("minItems")
    if rest.get("format") in _FORMATS:
        found["format"] = rest.pop("format")
    if found.get("type") == "object":
        found.setdefault("properties", {})
        found["additionalProperties"] = False
        rest.pop("additionalProperties", None)
    return _told(found, rest)


def _told(found: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """What the grammar cannot hold is said in words."""
    words = [rest.pop("description")] if isinstance(rest.get("description"), str) else []
    for noise in ("$schema", "$id", "default", "examples"):
        rest.pop(noise, None)
    if rest:
        words.append("{" + ", ".join(f"{name}: {value}" for name, value in rest.items()) + "}")
    return {**found, "description": "\n\n".join(words)} if words else found

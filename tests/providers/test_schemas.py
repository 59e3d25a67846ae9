"""Schemas in a vendor's dialect: never narrower than what a good answer may be, and never silently wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, Field

from packmule.providers.schemas import ANTHROPIC, OPENAI_STRICT, Dialect, in_dialect
from tests.providers.orders import SCHEMA


def said(schema: Any, dialect: Dialect = OPENAI_STRICT) -> Any:
    raw = in_dialect(msgspec.json.encode(schema).decode(), dialect)
    return None if raw is None else msgspec.json.decode(raw)


def thing(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class Line(BaseModel):
    """One line of a bill."""

    label: str = Field(min_length=1, description="what it is for")
    amount: float = Field(ge=0)


class Bill(BaseModel):
    """A bill."""

    number: str
    note: str | None = None
    lines: list[Line] = Field(min_length=1, max_length=50)


def test_a_closed_schema_stays_as_it_is() -> None:
    assert said(SCHEMA) == SCHEMA
    assert said(SCHEMA, ANTHROPIC) == SCHEMA


def test_a_pydantic_model_can_be_said_strictly() -> None:
    found = said(Bill.model_json_schema())
    assert found["required"] == ["number", "note", "lines"]
    assert found["additionalProperties"] is False
    assert found["properties"]["lines"]["maxItems"] == 50
    line = found["$defs"]["Line"]
    assert line["properties"]["amount"]["minimum"] == 0
    assert line["properties"]["label"]["description"] == "what it is for (minLength: 1)"


def test_the_order_of_fields_is_kept() -> None:
    assert list(said(thing(z={"type": "string"}, a={"type": "string"}))["properties"]) == ["z", "a"]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": [SCHEMA, SCHEMA]},
        {**SCHEMA, "required": ["mood"]},
        {**SCHEMA, "additionalProperties": True},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        thing(x={}),
        thing(x=True),
        thing(x={"type": "string", "not": {"const": "a"}}),
        thing(x={"allOf": [{"type": "string"}]}),
        thing(x={"type": "object", "patternProperties": {"a": {"type": "string"}}}),
        thing(x={"$ref": "#/$defs/X", "minLength": 3}),
        thing(x={"type": ["object", "null"]}),
        thing(x={"type": "array", "items": {"type": "string"}, "prefixItems": [{"type": "string"}]}),
    ],
)
def test_what_strict_mode_cannot_say_is_none(schema: Any) -> None:
    assert said(schema) is None


def test_an_optional_property_that_may_be_null_becomes_required() -> None:
    for nullable in ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}):
        assert said({**thing(x=nullable), "required": []})["required"] == ["x"]


def test_anthropic_leaves_optional_properties_optional() -> None:
    assert said({**SCHEMA, "required": ["mood"]}, ANTHROPIC)["required"] == ["mood"]


def test_anthropic_can_be_told_intersections() -> None:
    both = {"allOf": [thing(x={"type": "string"}), thing(y={"type": "integer", "minimum": 1})]}
    assert said(both, ANTHROPIC)["allOf"][1]["properties"]["y"] == {"type": "integer", "description": "minimum: 1"}


def test_alternatives_become_any_of() -> None:
    found = said(thing(x={"oneOf": [{"type": "string"}, {"type": "integer"}]}))
    assert found["properties"]["x"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}


def test_words_beside_a_reference_are_dropped_and_recursion_is_kept() -> None:
    node = thing(
        child={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}, other={"$ref": "#/$defs/Node", "title": "T"}
    )
    found = said({**thing(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": node}})
    assert found["$defs"]["Node"]["properties"]["other"] == {"$ref": "#/$defs/Node"}


def test_a_pattern_with_looks_around_goes_into_words() -> None:
    found = said(thing(x={"type": "string", "pattern": "^(?!a)"}, y={"type": "string", "pattern": "^a+$"}))
    assert "pattern" not in found["properties"]["x"]
    assert found["properties"]["y"]["pattern"] == "^a+$"


def test_defaults_and_examples_are_not_sent() -> None:
    found = said(
        {**thing(x={"type": "string", "default": "a", "examples": ["b"]}), "$schema": "https://json-schema.org"}
    )
    assert found == thing(x={"type": "string"})

"""The schema that asks for quotes beside values, and what is taken of the answer."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from packmule.checks import load_schema
from packmule.checks.evidence import with_evidence
from packmule.core.calls import Answer
from packmule.core.ports import Rejection
from packmule.providers.schemas import ANTHROPIC, OPENAI_STRICT, in_dialect


class Line(BaseModel):
    name: str
    count: int


class Order(BaseModel):
    lines: list[Line]
    note: str | None = None


ORDER = with_evidence(load_schema(Order))


def checked(answer: object) -> object:
    return ORDER.check(Answer(json.dumps(answer), "stop", None))


def test_values_are_judged_by_the_users_own_schema() -> None:
    assert checked({"values": {"lines": [{"name": "a", "count": 2}]}, "evidence": []}) == {
        "values": {"lines": [{"name": "a", "count": 2}], "note": None},
        "evidence": [],
    }
    with pytest.raises(Rejection, match=r"lines\[0\].count"):
        checked({"values": {"lines": [{"name": "a", "count": "many"}]}, "evidence": []})
    with pytest.raises(Rejection, match='"values" is missing'):
        checked({"lines": []})


@pytest.mark.parametrize("evidence", [None, "none", {"path": "a"}, [1, {"path": "a"}, {"path": 1, "quote": "b"}]])
def test_bad_evidence_is_no_reason_to_refuse_an_answer(evidence: object) -> None:
    assert checked({"values": {"lines": []}, "evidence": evidence})["evidence"] == []  # type: ignore[index]


def test_good_evidence_is_kept_among_bad() -> None:
    found = checked({"values": {"lines": []}, "evidence": [{"path": "note", "quote": "x"}, "bad"]})
    assert found["evidence"] == [("note", "x")]  # type: ignore[index]


def test_a_nested_model_can_be_enforced_by_providers() -> None:
    asked = json.loads(ORDER.canonical)
    assert list(asked["properties"]) == ["values", "evidence"]
    assert asked["properties"]["values"]["properties"]["lines"]["items"] == {"$ref": "#/$defs/Line"}
    assert "Line" in asked["$defs"]
    assert in_dialect(ORDER.canonical.decode(), OPENAI_STRICT) is not None
    assert in_dialect(ORDER.canonical.decode(), ANTHROPIC) is not None


def test_references_to_other_places_move_with_what_they_refer_to() -> None:
    tree = {
        "$id": "https://example.com/tree",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "right": {"$ref": "#/properties/left"},
            "name": {"$ref": "#/definitions/name"},
        },
        "definitions": {"name": {"type": "string"}},
    }
    asked = json.loads(with_evidence(load_schema(tree)).canonical)
    inner = asked["properties"]["values"]["properties"]
    assert inner["left"]["anyOf"][0] == {"$ref": "#/properties/values"}
    assert inner["right"] == {"$ref": "#/properties/values/properties/left"}
    assert inner["name"] == {"$ref": "#/definitions/name"}
    assert "$id" not in asked["properties"]["values"]
    load_schema(asked)

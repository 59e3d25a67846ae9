"""Every way to give a schema, and every wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from packmule.checks import load_schema
from packmule.errors import UsageError


class Review(BaseModel):
    zeal: int
    label: str


def refusal(spec: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_schema(spec)
    return caught.value


def test_a_file_and_its_dict_have_the_same_canonical_bytes_in_the_users_order(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"reasoning": {}, "answer": {}}}
    path = tmp_path / "s.json"
    path.write_text("\ufeff" + json.dumps(schema, indent=4))
    loaded = load_schema(str(path))
    assert loaded.canonical == load_schema(schema).canonical == load_schema(path).canonical
    assert loaded.canonical == b'{"type":"object","properties":{"reasoning":{},"answer":{}}}'
    assert msgspec.json.encode({"schema": msgspec.Raw(loaded.canonical)})


def test_a_model_is_given_as_class_or_by_name_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shapes_here.py").write_text(
        "import pydantic\nclass Review(pydantic.BaseModel):\n    zeal: int\n    label: str\nnumber = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    loaded = load_schema("shapes_here:Review")
    assert loaded.model is not None
    assert loaded.canonical == load_schema(Review).canonical
    assert "is not a pydantic model" in refusal("shapes_here:number").message
    assert refusal("shapes_here:Reveiw").hint == "did you mean shapes_here:Review?"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import not_there_at_all", "'not_there_at_all' is not installed"),
        ("1/0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    name = f"broken_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert said in refusal(f"{name}:Model").message


def test_an_absent_module_is_said() -> None:
    assert "there is no module 'no_such_module'" in refusal("no_such_module:Model").message
    assert "there is no module 'json.nothing'" in refusal("json.nothing:Model").message


def test_an_absent_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text("{}")
    assert str(tmp_path / "schema.json") in refusal(tmp_path / "shema.json").hint
    assert "does not exist" in refusal(str(tmp_path / "none" / "schema.json")).message
    assert "cannot be read" in refusal(str(tmp_path)).message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{\n "type": }', "line 2, column 10: the schema is not valid JSON"),
        (b"\xff\xfe\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "it must be an object, and is a list"),
        (b'{"type": "objct"}', "at $.type: 'objct'"),
        (b'{"properties": {"a": {"pattern": "("}}}', "at $.properties.a.pattern"),
        (b'{"$ref": "#/$defs/absent"}', "refers to '#/$defs/absent', which it does not hold"),
        (b'{"allOf": [{"$ref": "https://example.com/s.json"}]}', "which it does not hold"),
        (b'{"$ref": "#"}', "refers to itself without end"),
    ],
)
def test_a_file_that_is_no_schema_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    assert said in refusal(str(path)).message


def test_references_within_the_schema_are_fine() -> None:
    load_schema(
        {
            "$id": "https://example.com/tree",
            "$defs": {"leaf": {"$anchor": "leaf", "type": "string"}},
            "properties": {"a": {"$ref": "#leaf"}, "b": {"$ref": "#/$defs/leaf"}, "c": {"$ref": "#"}},
        }
    )
    load_schema(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"leaf": {"type": "string"}},
            "properties": {"a": {"$ref": "#/definitions/leaf"}},
        }
    )


def test_what_is_no_schema_at_all_is_refused() -> None:
    assert "cannot be of type int" in refusal(3).message
    assert "is not a pydantic model" in refusal(int).message


def test_a_model_that_json_schema_cannot_say_is_refused() -> None:
    class Odd(BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        thing: memoryview

    assert "has no JSON Schema" in refusal(Odd).message

"""What a schema accepts of an answer, and the sentence it says otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field

from packmule.checks import check_text, load_schema
from packmule.core.calls import Answer, BlobPart, Finish, Usage
from packmule.core.ports import Rejection

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"enum": ["good", "bad"]},
        "items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
        "day": {"type": "string", "format": "date"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["label"],
    "additionalProperties": False,
}


def answer(text: str, finish: Finish = "stop", tokens: int = 256) -> Answer:
    return Answer(text=text, finish=finish, usage=Usage(tokens_in=1, tokens_out=tokens))


def checked(text: str, schema: Any = SCHEMA) -> Any:
    return load_schema(schema).check(answer(text))


def reason(text: str, schema: Any = SCHEMA, finish: Finish = "stop") -> str:
    with pytest.raises(Rejection) as caught:
        load_schema(schema).check(answer(text, finish))
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "good"}',
        '\n  {"label": "good"}  \n',
        '```json\n{"label": "good"}\n```',
        'Sure! Here it is:\n```\n{"label": "good"}\n```\nAnything else?',
        'The answer [1] for {name} is {"label": "good"}. Is it {"label": "bad"}?',
        'A brace in a string: {"label": "good"} and a quote "{" here',
    ],
)
def test_the_json_is_found_bare_fenced_or_in_prose(text: str) -> None:
    assert checked(text) == {"label": "good"}


def test_an_object_within_a_broken_one_is_never_the_answer() -> None:
    assert "not valid JSON" in reason('{"wrong": {"label": "good"}, oops}')


def test_other_than_objects_can_be_asked_for() -> None:
    assert checked("7", {"type": "integer"}) == 7
    assert checked('```json\n"yes"\n```', {"type": "string"}) == "yes"
    assert checked("Here: [1, 2]", {"type": "array"}) == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I do not know.", "holds no JSON: 'I do not know.'; answer with JSON only"),
        ('{"label": "good",,}', "at line 1, column 18, near"),
        ('{"label": good}', "not valid JSON"),
        ('{"label": NaN}', "NaN"),
        ('{"label": "\\ud800"}', "half of a surrogate pair"),
        ("[" * 50_000, "nested too deeply"),
        ('{"label": "good"', "not valid JSON"),
        ("{}", "the answer: the field 'label' is missing"),
        ('{"label": "meh"}', "label: expected one of 'good', 'bad', found the string 'meh'"),
        (
            '{"label": "bad", "items": [{}, {"price": "12"}]}',
            "items[1].price: expected number, found the string '12'",
        ),
        ('{"label": "bad", "either": []}', "either: "),
        ('{"label": "bad", "extra": 1}', "'extra' was unexpected"),
        ('{"label": "bad", "day": "tomorrow"}', "day: 'tomorrow' is not a 'date'"),
        ('{"label": null}', "found null"),
        ('{"label": true}', "found true"),
        ('{"label": {}}', "found an object"),
        ('{"label": [1]}', "found a list of 1"),
        ('{"label": 3}', "found the number 3"),
        ("[]", "the answer: expected object, found a list of 0"),
        ('[1] says {"label": "meh"}', "label: expected one of"),
    ],
)
def test_a_rejection_says_what_and_where(text: str, said: str) -> None:
    assert said in reason(text)


def test_at_most_three_reasons_are_given() -> None:
    said = reason('{"a": 1, "day": 1, "items": 2, "either": "x", "label": 5}')
    assert said.count(";") == 3
    assert said.endswith("; and more")


@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [
        ('{"label": "good"}', "length", "cut at the output bound of 256 tokens before it was complete"),
        ("", "length", "before its first word"),
        ("I cannot help with that.", "refusal", "refused to answer: I cannot help with that."),
        ("", "refusal", "the model refused to answer"),
        ("", "content_filter", "content filter"),
        (" \n", "stop", "the answer was empty"),
    ],
)
def test_answers_that_are_none_say_so(text: str, finish: Finish, said: str) -> None:
    assert said in reason(text, finish=finish)


def test_plain_text_may_be_cut_but_not_refused_or_empty() -> None:
    assert check_text(answer("cut he", "length")) == "cut he"
    assert check_text(answer(" as it came ")) == " as it came "
    picture = BlobPart(media="image/png", sha256="0", size=1)
    assert check_text(Answer(text="", finish="stop", usage=None, blobs=(picture,))) == ""
    refused: list[tuple[str, Finish]] = [
        ("", "stop"),
        ("", "length"),
        ("no", "refusal"),
        ("", "content_filter"),
    ]
    for text, finish in refused:
        with pytest.raises(Rejection):
            check_text(answer(text, finish))


class Line(BaseModel):
    price: float


class Invoice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: str = Field(alias="invoiceNumber")
    lines: list[Line] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> float:
        return sum(line.price for line in self.lines)


def test_a_model_gives_plain_json_and_its_instance_back() -> None:
    schema = load_schema(Invoice)
    value = schema.check(answer('Here: {"invoiceNumber": "A1", "lines": [{"price": "2.5"}]}'))
    assert value == {"number": "A1", "lines": [{"price": 2.5}]}
    instance = schema.parse(value)
    assert isinstance(instance, Invoice)
    assert instance.total == 2.5


def test_a_model_says_which_field_is_wrong() -> None:
    said = reason('{"lines": [{"price": "dear"}], "x": 1}', Invoice)
    assert "the answer: the field 'invoiceNumber' is missing" in said
    assert "lines[0].price: Input should be a valid number" in said
    assert "x: Extra inputs are not permitted" in said


def test_a_json_schema_has_no_instances() -> None:
    assert load_schema(SCHEMA).parse({"label": "good"}) == {"label": "good"}


def test_a_deep_answer_to_a_recursive_schema_is_a_rejection() -> None:
    schema = {"$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}
    assert checked("[[[]]]", schema) == [[[]]]
    assert "nested too deeply" in reason("[" * 900 + "]" * 900, schema)


@given(st.text())
def test_any_text_is_a_value_or_a_rejection(text: str) -> None:
    try:
        value = checked(text, {})
    except Rejection as rejection:
        assert str(rejection)  # noqa: PT017 - either is right
    else:
        json.dumps(value)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=4), json_value, max_size=4), st.text("abc .,\n", max_size=20))
def test_an_object_in_harmless_prose_is_found_whole(value: dict[str, Any], prose: str) -> None:
    text = f"{prose} {json.dumps(value, indent=1)} {prose}"
    assert checked(text, {"type": "object"}) == value

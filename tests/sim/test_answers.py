"""Answers are made of the prompt's own words and obey the schema that was asked for."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packmule.sim.answers import answer
from packmule.sim.asked import Asked, tokens, tokens_in
from packmule.sim.chance import chance_of

REVIEW = "The blender broke after two days. I called the shop three times and nobody answered. The box was nice though."
INVOICE = (
    "Invoice number: INV-2231\nVendor: Acme Tools Ltd\nDate: 2026-03-14\nTotal: 1,204.50 EUR\n"
    "Contact: billing@acme.example\n\nPayment is due within 30 days. Late payment costs 2 percent a month."
)


def ask(prompt: str, schema: Any = None, *, bound: int | None = None, any_json: bool = False) -> str:
    asked = Asked("small", "", (("user", prompt),), schema, any_json, bound)
    return answer(asked, chance_of(0, prompt)).text


def test_a_summary_is_a_sentence_of_the_data() -> None:
    assert ask(f"Summarize in one line: {REVIEW}") in REVIEW


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        (f"Classify the sentiment as positive, negative or neutral.\n\n{REVIEW}", "negative"),
        ("Is it positive or negative? One of: positive, negative\n\nI love it, great and fast.", "positive"),
        ("Pick one of: billing, shipping, praise\n\nThe shipping took three weeks.", "shipping"),
        ("Label the text (spam / ham).\n\nThis ham is from the farm.", "ham"),
    ],
)
def test_a_label_is_one_of_the_choices(prompt: str, label: str) -> None:
    assert ask(prompt) == label


def test_fields_are_found_in_the_text() -> None:
    kinds = {"vendor": "string", "invoice_number": "string", "total": "number", "email": "string"}
    properties: dict[str, Any] = {name: {"type": kind} for name, kind in kinds.items()}
    properties |= {"date": {"type": "string", "format": "date"}, "currency": {"enum": ["USD", "EUR"]}}
    got = json.loads(ask(f"Extract the fields.\n\n{INVOICE}", {"type": "object", "properties": properties}))
    assert got == {
        "vendor": "Acme Tools Ltd",
        "invoice_number": "INV-2231",
        "total": 1204.5,
        "email": "billing@acme.example",
        "date": "2026-03-14",
        "currency": "EUR",
    }


def test_quotes_stand_in_the_text_word_for_word() -> None:
    schema = {"type": "object", "properties": {"quotes": {"type": "array", "items": {"type": "string"}, "minItems": 2}}}
    for quote in json.loads(ask(f"Find quotes.\n\n{REVIEW}", schema))["quotes"]:
        assert quote in REVIEW


def test_what_is_to_be_made_differs_from_prompt_to_prompt() -> None:
    made = {ask(f"Write a message about a late parcel. Variation {number}.") for number in range(30)}
    assert len(made) == 30


def test_a_list_has_as_many_lines_as_were_asked_for() -> None:
    assert len(ask("List five ideas for a school garden.").splitlines()) == 5


def test_json_without_a_schema_has_the_keys_that_the_prompt_names() -> None:
    got = json.loads(ask(f"Return JSON with keys title, sentiment and score for: {REVIEW}"))
    assert got.keys() == {"title", "sentiment", "score"}
    assert got["sentiment"] == "negative"
    assert json.loads(ask(f'Answer as JSON: {{"mood": "...", "rating": 1}}\n\n{REVIEW}')).keys() == {"mood", "rating"}


def test_a_schema_in_the_words_of_the_prompt_is_obeyed() -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["sunny", "grim"]}}, "required": ["mood"]}
    assert json.loads(ask(f"Answer by this schema:\n{json.dumps(schema)}\n\n{REVIEW}"))["mood"] in {"sunny", "grim"}


@given(st.text(max_size=300), st.integers(1, 60))
def test_counts_never_pass_the_bound_or_the_bytes(prompt: str, bound: int) -> None:
    asked = Asked("small", "", (("user", prompt),), tokens_out_max=bound)
    said = answer(asked, chance_of(0, prompt))
    assert said.tokens_out <= bound
    assert said.tokens_out <= max(1, len(said.text.encode()))
    assert tokens(said.text) <= said.tokens_out
    assert tokens_in(asked) <= max(1, len(prompt.encode()))
    assert said.finish in {"stop", "length"}


names = st.sampled_from(["name", "age", "summary", "total", "due_date", "tags", "quote", "ok", "x", "émile", "score"])


def numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(
        st.integers(-1000, 1000), st.integers(2, 500), st.sets(st.sampled_from(["low", "high", "open"]))
    ).map(
        lambda drawn: (
            {"type": kind}
            | ({"exclusiveMinimum" if "open" in drawn[2] else "minimum": drawn[0]} if "low" in drawn[2] else {})
            | ({"maximum": drawn[0] + drawn[1]} if "high" in drawn[2] else {})
        )
    )


def texts() -> st.SearchStrategy[dict[str, Any]]:
    lengths = st.tuples(st.integers(0, 30), st.integers(0, 60)).map(
        lambda pair: {"type": "string", "minLength": pair[0], "maxLength": pair[0] + pair[1]}
    )
    forms = st.sampled_from(["date", "date-time", "email", "uri", "uuid", "time", "ipv4"])
    return st.one_of(st.just({"type": "string"}), lengths, forms.map(lambda form: {"type": "string", "format": form}))


leaves = st.one_of(
    texts(),
    numbers("integer"),
    numbers("number"),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.sampled_from(
        [{"const": 4}, {"enum": ["a", "b", 3]}, {"type": ["string", "null"]}, {"type": "integer", "multipleOf": 7}]
    ),
    st.sampled_from(["node", "leaf"]).map(lambda name: {"$ref": f"#/$defs/{name}"}),
)


def composed(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.tuples(inner, st.integers(0, 4), st.integers(0, 4)).map(
        lambda drawn: {"type": "array", "items": drawn[0], "minItems": drawn[1], "maxItems": drawn[1] + drawn[2]}
    )
    objects = st.dictionaries(names, inner, max_size=5).map(
        lambda properties: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[::2],
            "additionalProperties": False,
        }
    )
    either = st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
    return st.one_of(lists, objects, either)


schemas = st.recursive(leaves, composed, max_leaves=12)
DEFS = {
    "leaf": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "node": {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            "parent": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
        "required": ["value", "children"],
    },
}


@settings(max_examples=300, deadline=None)
@given(schemas, st.sampled_from([REVIEW, INVOICE, "Create someone.", ""]), st.integers(0, 5))
def test_every_schema_is_obeyed(schema: dict[str, Any], prompt: str, seed: int) -> None:
    schema = schema | {"$defs": DEFS}
    asked = Asked("small", "", (("user", prompt),), schema)
    value = json.loads(answer(asked, chance_of(seed)).text)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(
        value
    )


@pytest.mark.parametrize("pattern", [r"^INV-\d{4}$", r"^[A-Z]{3}$", r"^\d{5}$", r"^[a-z]+$"])
def test_a_pattern_is_met_by_the_text_or_by_trying(pattern: str) -> None:
    schema = {"type": "object", "properties": {"code": {"type": "string", "pattern": pattern}}}
    assert re.search(pattern, json.loads(ask(INVOICE, schema))["code"])


def test_unique_items_are_unique() -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "maxItems": 3, "uniqueItems": True}
    jsonschema.validate(json.loads(ask(REVIEW, schema)), schema)


def test_a_short_word_on_an_answer_is_about_the_request_before_it() -> None:
    turns = (
        ("user", f"Summarize in one line: {REVIEW}"),
        ("assistant", "?"),
        ("user", "Not accepted: too short. Answer the same request again."),
    )
    assert answer(Asked("small", "", turns), chance_of(0)).text in REVIEW

"""Answers that are none are refused with a sentence and with a word for the cause."""

from __future__ import annotations

import pytest

from packmule.checks import load_schema
from packmule.checks.answers import whole_text
from packmule.core.calls import Answer, Finish
from packmule.core.ports import Rejection


@pytest.mark.parametrize(
    ("finish", "text", "kind"),
    [
        ("refusal", "I cannot", "refusal"),
        ("content_filter", "", "content_filter"),
        ("length", "half of", "length"),
        ("length", "", "length"),
        ("stop", "  ", "empty"),
    ],
)
def test_each_kind_of_no_answer_has_a_name(finish: Finish, text: str, kind: str) -> None:
    with pytest.raises(Rejection) as refused:
        whole_text(Answer(text, finish, None))
    assert refused.value.kind == kind
    assert str(refused.value)


@pytest.mark.parametrize("text", ["no JSON at all", "[1]", '{"x": "word"}'])
def test_what_does_not_fit_a_schema_is_called_so(text: str) -> None:
    schema = load_schema({"type": "object", "properties": {"x": {"type": "integer"}}})
    with pytest.raises(Rejection) as refused:
        schema.check(Answer(text, "stop", None))
    assert refused.value.kind == "schema"

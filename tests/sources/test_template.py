"""Prompt templates: what a field is, and that nothing but a SourceError ever comes out of a bad one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.errors import SourceError
from packmule.sources import Template, prompt_column

COLUMNS = ["text", "first name", "a.b", "n"]


def test_fields_are_columns_with_any_name_and_doubled_braces_are_braces() -> None:
    template = Template('{first name}: { text } {{"n": {n}}} {a.b}{{{n}}}', COLUMNS)
    row = {"text": "hi {n}", "first name": "Ada", "a.b": [1, {"x": None}], "n": 3}
    assert template.render(row) == 'Ada: hi {n} {"n": 3} [1,{"x":null}]{3}'
    assert template.fields == ["first name", "text", "n", "a.b"]


def test_null_and_absent_cells_are_empty() -> None:
    assert Template("[{text}{n}]", COLUMNS).render({"text": None}) == "[]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("line\nsee {txt}", "line 2, column 5: there is no column for {txt}; did you mean 'text'?"),
        ('give {"a": 1}', 'there is no column for {"a": 1}'),
        ("{text.upper}", "there is no column for {text.upper}"),
        ("{n:>10}", "there is no column for {n:>10}"),
        ("{}", "there is no column for {}"),
        ("an { open one", "line 1, column 4: a lone {"),
        ("a } closed one", "a lone }"),
    ],
)
def test_unknown_fields_and_lone_braces_say_where_and_what_to_type(text: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        Template(text, COLUMNS)
    assert said in caught.value.message
    assert "{{ and }}" in caught.value.hint


@given(st.text(alphabet="{}ant .\n", max_size=30))
def test_a_template_parses_and_renders_or_is_a_source_error(text: str) -> None:
    with suppress(SourceError):
        Template(text, COLUMNS).render({"text": "x", "n": 1})


@given(st.text())
def test_text_with_doubled_braces_renders_to_itself(text: str) -> None:
    assert Template(text.replace("{", "{{").replace("}", "}}"), []).render({}) == text


def test_the_prompt_column_is_task_or_prompt_in_any_case() -> None:
    assert prompt_column(["id", "Prompt"]) == "Prompt"
    assert prompt_column(["prompt", "TASK"]) == "TASK"
    assert prompt_column(["text"]) == "text"
    assert prompt_column(["text", "name", "path"]) == "text"


def test_without_a_prompt_column_the_columns_and_the_option_are_named() -> None:
    with pytest.raises(SourceError) as caught:
        prompt_column(["id", "text"])
    assert "'id', 'text'" in caught.value.message
    assert "--prompt" in caught.value.hint

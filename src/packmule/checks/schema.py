"""A schema that goes out with a request and judges its answer: a JSON Schema or a pydantic model.

`canonical` keeps the order of the fields as the user wrote them: models fill them in that order, so the order
is part of what is asked. An accepted value is always plain JSON; `parse` makes the user's own type of it
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from packmule.checks.answers import whole_text
from packmule.checks.found import Found, json_problem, json_values
from packmule.checks.reasons import joined, model_reasons, schema_reason
from packmule.core.calls import Answer
from packmule.core.ports import Rejection
from packmule.errors import UsageError

Judge = Callable[[Found], Any]
"""(JSON text, value) -> the accepted value, or Rejection."""


class Schema:
    """`name` is for people, `canonical` the JSON Schema in bytes, `model` the pydantic class if any."""

    def __init__(self, name: str, canonical: bytes, judge: Judge, model: type[BaseModel] | None = None) -> None:
        self.name = name
        self.canonical = canonical
        self.model = model
        self.judge = judge

    def check(self, answer: Answer) -> Any:  # noqa: ANN401 - any JSON value
        """The answer's value as plain JSON. Raises Rejection with what is wrong and where.

        Of several JSON values in an answer the first that fits is taken; when none fits, the longest is
        spoken of.
        """
        text = whole_text(answer)
        refused: tuple[int, Rejection] | None = None
        for found in json_values(text):
            try:
                return self.judge(found)
            except Rejection as rejection:
                if refused is None or len(found[0]) > refused[0]:
                    refused = len(found[0]), rejection
        raise refused[1] if refused else Rejection(json_problem(text), "schema")

    def parse(self, value: Any) -> Any:  # noqa: ANN401 - the user's own type
        """The model instance of a checked value; the value itself without a model."""
        if self.model is None:
            return value
        return self.model.model_validate_json(msgspec.json.encode(value), by_alias=True, by_name=True)


def json_schema(name: str, schema: dict[str, Any], validator: Any) -> Schema:  # noqa: ANN401 - a class
    """A schema judged by a validator class of jsonschema; nothing outside the schema is ever looked up."""
    compiled = validator(schema, registry=Registry(), format_checker=validator.FORMAT_CHECKER)

    def judge(found: Found) -> Any:  # noqa: ANN401 - any JSON value
        try:
            errors = [schema_reason(error) for error in compiled.iter_errors(found[1])]
        except RecursionError:
            reason = "the answer does not fit the schema: it is nested too deeply"
            raise Rejection(reason, "schema") from None
        except Unresolvable as error:
            message = f"the schema {name} refers to something that it does not hold: {error}"
            raise UsageError(message) from None
        if errors:
            raise Rejection(joined(errors), "schema")
        return found[1]

    return Schema(name, msgspec.json.encode(schema), judge)


def model_schema(name: str, model: type[BaseModel], schema: dict[str, Any]) -> Schema:
    """A schema judged by a pydantic model, with the model's own rules for JSON."""

    def judge(found: Found) -> Any:  # noqa: ANN401 - any JSON value
        try:
            instance = model.model_validate_json(found[0])
        except ValidationError as error:
            raise Rejection(joined(model_reasons(error)), "schema") from None
        return instance.model_dump(mode="json", round_trip=True)

    return Schema(name, msgspec.json.encode(schema), judge, model)

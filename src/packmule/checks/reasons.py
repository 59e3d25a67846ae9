"""Sentences for what does not fit a schema: which field, what was expected, what was found. At most three."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError as SchemaMismatch
from jsonschema.exceptions import best_match
from pydantic import ValidationError as ModelMismatch

from packmule.checks.answers import shortened

REASONS_MAX = 3
FOUND_CHARS = 60


def path_of(steps: Sequence[str | int]) -> str:
    """`items[2].price`; the answer itself when there are no steps."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or "the answer"


def found(value: object) -> str:
    """What stands there instead."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {shortened(value, FOUND_CHARS)!r}"
        case int() | float():
            return f"the number {value}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def joined(reasons: Iterable[str]) -> str:
    """The first reasons as one sentence."""
    first = list(islice(reasons, REASONS_MAX + 1))
    more = "; and more" if len(first) > REASONS_MAX else ""
    return f"the answer does not fit the schema: {'; '.join(first[:REASONS_MAX])}{more}"


def schema_reason(error: SchemaMismatch) -> str:
    """One JSON Schema error; inside anyOf and oneOf the most telling one."""
    best: Any = best_match([error]) or error
    where = path_of(list(best.absolute_path))
    match best.validator:
        case "type":
            kinds = best.validator_value
            expected = kinds if isinstance(kinds, str) else " or ".join(kinds)
            return f"{where}: expected {expected}, found {found(best.instance)}"
        case "required":
            return f"{where}: the field {best.message.removesuffix(' is a required property')} is missing"
        case "enum" | "const":
            return f"{where}: {_choices(best)}, found {found(best.instance)}"
        case _:
            return f"{where}: {shortened(best.message)}"


def _choices(error: Any) -> str:  # noqa: ANN401 - jsonschema's errors are untyped
    choices = error.validator_value if error.validator == "enum" else [error.validator_value]
    return f"expected one of {shortened(', '.join(map(repr, choices)))}"


def model_reasons(error: ModelMismatch) -> Iterable[str]:
    """The errors of a pydantic model."""
    for detail in error.errors(include_url=False, include_context=False):
        steps = detail["loc"]
        if detail["type"] == "missing":
            yield f"{path_of(steps[:-1])}: the field {steps[-1]!r} is missing"
        else:
            yield f"{path_of(steps)}: {shortened(detail['msg'])}, found {found(detail['input'])}"

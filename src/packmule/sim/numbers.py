"""A number that obeys its bounds: the one the text states under that name, if there is one."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

from packmule.sim.fields import number_near
from packmule.sim.words import name_words

SPAN = 19
_SHARES = {"confidence", "probability", "share", "ratio", "score", "certainty", "likelihood"}
_TYPICAL: tuple[tuple[set[str], tuple[int, int]], ...] = (
    ({"age"}, (19, 78)),
    ({"year"}, (1980, 2026)),
    ({"rating", "stars"}, (1, 5)),
    ({"percent", "percentage"}, (5, 95)),
)


def number_for(schema: dict[str, Any], name: str, data: str, chance: random.Random, *, whole: bool) -> int | float:
    """An integer or a float within the bounds of `schema`."""
    low, high = _bounds(schema, name, whole=whole)
    step = schema.get("multipleOf") or (1 if whole else None)
    stated = number_near(name, data)
    if stated is not None and _fits(stated, schema, low, high, step):
        return int(stated) if whole else stated
    if step:
        return _on_grid(low, high, step, chance, whole=whole)
    inner = low + (high - low) * (0.1 + 0.8 * chance.random())
    rounded = round(inner, 2)
    return rounded if _fits(rounded, schema, low, high, None) else inner


def _bounds(schema: dict[str, Any], name: str, *, whole: bool) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if _is_number(schema.get(key))]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if _is_number(schema.get(key))]
    low, high = max(lows, default=None), min(highs, default=None)
    if whole and low is not None and schema.get("exclusiveMinimum") == low:
        low = math.floor(low) + 1
    if whole and high is not None and schema.get("exclusiveMaximum") == high:
        high = math.ceil(high) - 1
    if low is None and high is None:
        return _typical(name, whole=whole)
    step = abs(schema.get("multipleOf") or 1)
    span = max(SPAN, step * 2)
    if low is None:
        return float(high or 0) - span, float(high or 0)
    return float(low), float(low) + span if high is None else float(high)


def _typical(name: str, *, whole: bool) -> tuple[float, float]:
    asked = set(name_words(name))
    for names, span in _TYPICAL:
        if asked & names:
            return span
    return (0.5, 1.0) if asked & _SHARES and not whole else (1, 20)


def _on_grid(low: float, high: float, step: float, chance: random.Random, *, whole: bool) -> int | float:
    """A multiple of `step` between the bounds."""
    exact = Decimal(str(step))
    first = math.ceil(Decimal(str(low)) / exact)
    last = max(first, math.floor(Decimal(str(high)) / exact))
    if not whole and last - first > 1:
        first, last = first + 1, last - 1
    value = chance.randint(first, last) * exact
    return int(value) if whole or value == value.to_integral_value() else float(value)


def _fits(value: float, schema: dict[str, Any], low: float, high: float, step: float | None) -> bool:
    if not math.isfinite(value) or (("minimum" in schema or "exclusiveMinimum" in schema) and value < low):
        return False
    if ("maximum" in schema or "exclusiveMaximum" in schema) and value > high:
        return False
    if value in {schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")}:
        return False
    return step is None or (Decimal(str(value)) % Decimal(str(step))) == 0


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Templates: what a batch asks, without its data, so that it can be asked of other rows.

A template is a YAML file of the names that `run` has for its options. It holds no key, no row and no place of data.
Its cap and its prices hold, but agree to nothing: whoever uses it has not said them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from packmule.compose.setting_files import read_yaml, refuse_unknown
from packmule.compose.settings import BY_NAME, Money, Texts, checked
from packmule.config import dollars
from packmule.core.batch import OWN_RECIPES, PROMPT, Limits
from packmule.core.money import usd
from packmule.core.rows import BatchRow
from packmule.errors import UsageError

_SETTINGS = (
    "model temperature max_output_tokens max_cost item_cap concurrency rpm tpm timeout outage_limit retries_invalid "
    "on_unknown retry_count retry_delay retry_backoff retry_on on_budget"
).split()
_ASKED: dict[str, Any] = {
    "recipe": str,
    "prompt": str,
    "system": str,
    "schema": str | dict[str, Any],
    "base_url": str,
    "key": str,
    "where": Texts,
    "skip": Texts,
    "limit": int,
    "price_in": Money,
    "price_out": Money,
    "free": bool,
}
_PRICES = ("price_in", "price_out")
KEYS = [*_ASKED, *_SETTINGS]


def read_template(path: Path) -> dict[str, Any]:
    """Values for the options of `run`. Raises UsageError with file and key."""
    found = {}
    for key, value in read_yaml(path).items():
        refuse_unknown(str(key), KEYS, str(path))
        if value is not None:
            found[key] = _value(key, value, f"{path}: {key}")
    if found.get("recipe") not in {None, *OWN_RECIPES} and (clash := found.keys() & {"prompt", "schema"}):
        message = f"{path}: recipe does its own asking, so {' and '.join(sorted(clash))} has no place beside it"
        raise UsageError(message)
    return found


def template_of(row: BatchRow) -> str:
    """The template that asks the same as this batch, as YAML."""
    import yaml  # noqa: PLC0415 - only when one is written

    return yaml.safe_dump(_saved(row), sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)


def _value(key: str, value: Any, where: str) -> Any:  # noqa: ANN401
    if key in BY_NAME:
        value = checked(BY_NAME[key], value, where)
    else:
        try:
            value = msgspec.convert(value, _ASKED[key])
        except msgspec.ValidationError as error:
            message = f"{where}: {error}"
            raise UsageError(message) from None
    if key in _PRICES:
        dollars(value, where, zero=True)
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value)
    return [value] if isinstance(value, str) and key in {"model", "where", "skip"} else value


def _saved(row: BatchRow) -> dict[str, Any]:
    spec, limits = row.spec, row.limits
    asked: dict[str, Any] = {
        "recipe": None if spec.recipe == PROMPT else spec.recipe,
        "prompt": spec.prompt,
        "system": spec.system,
        "schema": None if spec.schema is None else json.loads(spec.schema),
        "model": list(spec.models),
        "base_url": spec.base_url,
        "temperature": spec.temperature,
        "max_output_tokens": spec.max_output_tokens,
        "key": spec.key_column,
        "where": list(spec.where),
        "skip": list(spec.skip),
        "limit": spec.limit,
    }
    for name in _SETTINGS:
        field = next((field for field in (name, f"{name}_s") if field in Limits.__struct_fields__), None)
        value = None if field is None else getattr(limits, field)
        if field is not None and value not in (None, getattr(Limits(), field)):
            asked[name] = usd(value) if name in {"max_cost", "item_cap"} else msgspec.to_builtins(value)
    asked |= {name: usd(getattr(limits, name) * 10**6) for name in _PRICES if getattr(limits, name) is not None}
    asked["free"] = limits.free or None
    return {name: value for name, value in asked.items() if value not in (None, [])}

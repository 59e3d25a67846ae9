"""What happened to a batch, as one line for people: every face words an event the same way."""

from __future__ import annotations

from typing import Any

from packmule.core.money import usd_exact, usd_short
from packmule.core.words import counted

WARNINGS = ("near_cap", "over_cap", "halted")
"""Kinds of events that a person should hear of at once."""
_MONEY = ("max_cost", "item_cap")
_PRICES = ("price_in", "price_out")


def event_name(kind: str) -> str:
    """The kind as people say it."""
    return "asked" if kind == "wish" else kind.replace("_", " ")


def event_text(kind: str, data: dict[str, Any]) -> str:
    """The details of an event of this kind; empty where there are none."""
    match kind:
        case "limits":
            changes = data.get("changes", {}).items()
            said = ", ".join(
                f"{_name(name)} {_value(name, old)} -> {_value(name, new)}" for name, (old, new) in changes
            )
            return f"{said} ({data['reason']})" if data.get("reason") else said
        case "wish":
            return f"{data['kind']} ({data['who']}): {data['answer']}"
        case "round":
            settings = [f"{_name(name)} {value}" for name, value in data.items() if name != "number"]
            return ", ".join([f"round {data.get('number', 0)}", *settings])
        case "written_off":
            return f"{usd_short(data['amount'])} counted as spent"
        case "job":
            words = [
                data["job"],
                data["state"],
                f"{counted(data['calls'], 'call')}",
                data.get("remote"),
                data["reason"],
            ]
            return ", ".join(str(word) for word in words if word)
        case "foreign" | "retention":
            return f"{data['job']}: {data['reason']}"
        case "halted":
            return f"{data['model']}: {data['reason']}"
        case _:
            return str(data.get("detail") or data.get("reason") or "")


def _name(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")


def _value(name: str, value: Any) -> str:  # noqa: ANN401 - any limit
    if value is None:
        return "none"
    if name in _MONEY:
        return usd_exact(value)
    if name in _PRICES:
        return usd_exact(value * 10**6)
    return f"{value:g}" if isinstance(value, float) else str(value)

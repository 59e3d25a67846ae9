"""What may be asked, and how many: bounds that every face checks in the same words before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from packmule.errors import UsageError

MOST = 10**9
_SHOWN = 10**18


def check_settings(
    max_output_tokens: object, temperature: object, spell: Callable[[str], str] = lambda name: name
) -> None:
    """Raise UsageError for an answer's bound that is no count, or a temperature that is no number from 0 on.

    `spell` writes a setting's name as the person gave it.
    """
    check_count(spell("max_output_tokens"), max_output_tokens)
    check_number(spell("temperature"), temperature, 0)


def check_count(name: str, value: object) -> None:
    """Raise UsageError for what is neither None nor a whole number from 1 on."""
    if value is not None and type(value) is not int:
        message = f"{name} must be a whole number, not {value!r}"
        raise UsageError(message)
    check_number(name, value, 1)


def check_number(name: str, value: object, least: float) -> None:
    """Raise UsageError for what is neither None nor a number from `least` on."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name} must be a number, not {value!r}"
        raise UsageError(message)
    # A whole number may be too large to be a float, or to be shown, at all.
    shown = f"{value:g}" if isinstance(value, float) else f"{value}" if -_SHOWN < value < _SHOWN else "as given"
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{name} {shown} is not a finite number"
        raise UsageError(message)
    if value < least:
        message = f"{name} {shown} is too small"
        raise UsageError(message, hint=f"the least is {least:g}")
    if value > MOST:
        message = f"{name} {shown} is too large"
        raise UsageError(message, hint=f"the most is {MOST:,}")

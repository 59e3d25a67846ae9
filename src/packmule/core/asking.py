"""What may be asked: bounds that every face checks before a request is made of them."""

from __future__ import annotations

import math

from packmule.errors import UsageError

TOKENS_MAX = 10**9


def check_settings(max_output_tokens: object, temperature: object) -> None:
    """Raise UsageError for an answer's bound that is no count, or a temperature that is no number from 0 on."""
    if max_output_tokens is not None and not (type(max_output_tokens) is int and 1 <= max_output_tokens <= TOKENS_MAX):
        message = f"max_output_tokens {max_output_tokens!r} is no number of tokens"
        raise UsageError(message, hint="give a whole number from 1 on")
    if temperature is None:
        return
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not number or not math.isfinite(temperature) or temperature < 0:  # type: ignore[arg-type, operator]
        message = f"temperature {temperature!r} is no number from 0 on"
        raise UsageError(message)

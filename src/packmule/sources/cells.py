"""What a cell is as text, and when it is blank. One rule for templates, filters and keys.

None is the empty string, a string is itself, any other JSON value is its compact JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

_encode = msgspec.json.encode


def text_of(value: object) -> str:
    """The cell as text."""
    if type(value) is str:
        return value
    return "" if value is None else _encode(value).decode()


def key_text(value: object) -> str:
    """An id as text; 3.0 (how dataframes hold whole numbers beside gaps) is '3'."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return text_of(value)


def all_blank(values: Iterable[Any]) -> bool:
    """True when every cell is None or white space."""
    return all(value is None or (isinstance(value, str) and not value.strip()) for value in values)

"""Small wordings that every face shares."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """'1 item', '2,345 items'."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"

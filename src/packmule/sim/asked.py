"""What a request asks and what is said to it, free of any vendor's wire."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Finish = Literal["stop", "length", "refusal"]
JsonSchema = dict[str, Any] | bool

IMAGE_TOKENS = 64


class Asked(Struct, frozen=True):
    """One request. `turns` are (role, text) in order; `schema` is the JSON Schema it must obey natively."""

    model: str
    system: str
    turns: tuple[tuple[str, str], ...]
    schema: JsonSchema | None = None
    any_json: bool = False
    tokens_out_max: int | None = None
    images: int = 0
    draw: bool = False

    @property
    def prompt(self) -> str:
        """What the user wants: the last turn, or the longest when the last is a short word on it."""
        said = [text for role, text in self.turns if role == "user"] or [""]
        longest = max(said, key=len)
        return said[-1] if len(said[-1]) * 2 > len(longest) else longest

    @property
    def text(self) -> str:
        """Every word that was sent."""
        return "\n".join([self.system, *(text for _, text in self.turns)]).strip()


class Said(Struct, frozen=True):
    """One answer. `image` is a PNG when one was asked for."""

    text: str
    finish: Finish
    tokens_in: int
    tokens_out: int
    image: bytes | None = None


class Refused(Struct, frozen=True):
    """Why a request is not taken: the status, and a sentence naming the parameter."""

    status: int
    message: str
    param: str | None = None


def tokens(text: str) -> int:
    """About four characters each, rounded up, at least 1."""
    return max(1, -(-len(text) // 4))


def tokens_in(asked: Asked) -> int:
    """What the provider counts as input."""
    return tokens(asked.text) + asked.images * IMAGE_TOKENS

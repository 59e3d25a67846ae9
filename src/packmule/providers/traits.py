"""What the name of a model tells about it: does it reason before it answers, does it refuse a temperature?

Names are all there is to go by: no provider says this in a machine-readable way. A wrong guess costs little: a
larger hold, or a temperature that is left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

OUTPUT_MAX = 4_096
OUTPUT_MAX_REASONING = 16_384

_OPENAI = re.compile(r"(?:o\d|gpt-(?:[5-9]|\d\d))(?!.*(?:chat|image|audio|realtime))")
_CLAUDE = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_GEMINI = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
_OTHERS = re.compile(
    r"gpt-oss|gemini-(?:flash|pro)|reason|think|qwq|qwen-?3|magistral|deepseek-(?:r\d|v[4-9]|flash|pro)|-r1\b|grok-(?:3-mini|[4-9])|glm-|kimi|minimax-m"
)
_NO_SAMPLING_CLAUDE = (4, 7)
_THINKING_GEMINI = (2, 5)


def short_name(model: str) -> str:
    """The last part of a name, as a router's `openai/gpt-5` or a server's `Qwen/Qwen3-8B` have one before it."""
    return model.rsplit("/", 1)[-1].lower()


def is_openai_reasoning(model: str) -> bool:
    """OpenAI's own reasoning models: they want max_completion_tokens and no temperature."""
    return _OPENAI.match(short_name(model)) is not None


@lru_cache
def refuses_temperature(model: str) -> bool:
    """OpenAI's reasoning models, and Claude from 4.7 on."""
    return is_openai_reasoning(model) or _version(_CLAUDE, model) >= _NO_SAMPLING_CLAUDE


@lru_cache
def reasons(model: str) -> bool:
    """Does it think before it answers unless told otherwise? Its output bound must leave room for that."""
    if is_openai_reasoning(model) or _version(_CLAUDE, model) >= _NO_SAMPLING_CLAUDE:
        return True
    return _version(_GEMINI, model) >= _THINKING_GEMINI or _OTHERS.search(short_name(model)) is not None


def output_max(model: str, asked: int | None) -> int:
    """The output bound of a request: what it asks for, else 4,096, or 16,384 for a model that reasons."""
    if asked is not None:
        return max(1, asked)
    return OUTPUT_MAX_REASONING if reasons(model) else OUTPUT_MAX


def _version(pattern: re.Pattern[str], model: str) -> tuple[int, int]:
    found = pattern.match(short_name(model))
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)

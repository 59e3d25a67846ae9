"""The JSON in an answer: the whole of it, else in a code fence, else in the prose around it.

Only top-level values count: an object inside a broken object is never taken for the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from packmule.checks.answers import shortened

VALUES_MAX = 20
NEAR_CHARS = 30

Found = tuple[str, Any]
"""(the JSON text, its value)."""

_fence = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_open = re.compile(r"[{\[]")
_mark = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def json_values(text: str) -> Iterator[Found]:
    """The JSON values of an answer, likeliest first; nothing when there is none."""
    whole = _decoded(text)
    if whole is not None:
        yield whole
        return
    blocks = (found[1] for found in _fence.finditer(text))
    for piece in islice(chain(blocks, _balanced(text)), VALUES_MAX):
        found = _decoded(piece)
        if found is not None:
            yield found


def _decoded(piece: str) -> Found | None:
    piece = piece.strip()
    try:
        return piece, msgspec.json.decode(piece)
    except (ValueError, RecursionError):
        return None


def _balanced(text: str) -> Iterator[str]:
    """Every top-level span from an opening bracket to the one that closes it."""
    at = 0
    while start := _open.search(text, at):
        depth = 0
        for mark in _mark.finditer(text, start.start()):
            if mark[0][0] != '"':
                depth += 1 if mark[0] in "{[" else -1
            if depth == 0:
                yield text[start.start() : mark.end()]
                at = mark.end()
                break
        else:
            return


def json_problem(text: str) -> str:
    """Why `json_values` found nothing, with line, column and what stands there."""
    start = _open.search(text)
    if start is None:
        return f"the answer holds no JSON: {shortened(text, NEAR_CHARS * 2)!r}; answer with JSON only"
    try:
        json.JSONDecoder().raw_decode(text, start.start())
    except json.JSONDecodeError as error:
        near = text[max(start.start(), error.pos - NEAR_CHARS) : error.pos + NEAR_CHARS]
        place = f"line {error.lineno}, column {error.colno}"
        return f"the answer is not valid JSON: {error.msg} at {place}, near {near!r}; answer with JSON only"
    except (ValueError, RecursionError):
        return "the answer's JSON is nested too deeply or holds a number that is too long"
    return "the answer's JSON holds NaN, Infinity or half of a surrogate pair, which JSON does not know"

"""Reading usage, and the upper bounds of a request. A count that cannot be true is no count."""

from __future__ import annotations

from packmule.core.calls import BlobPart, Bounds, Request, Usage

# A document page or an image tile costs tokens that its bytes do not show; these are well above the vendors' formulas.
IMAGE_TOKENS = 20_000
DOCUMENT_TOKENS_MIN = 40_000
OVERHEAD_TOKENS = 512
OUTPUT_DEFAULT = 4_096
OUTPUT_REASONING = 16_384


def output_bound(request: Request, *, reasoning: bool) -> int:
    """The bound that goes out with the request: the recipe's, else the default."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    return OUTPUT_REASONING if reasoning else OUTPUT_DEFAULT


def bounds(request: Request, body: bytes, output: int) -> Bounds:
    """Each token covers at least one byte of text; blobs are taken out and counted by their own bound."""
    tokens = len(body) + OVERHEAD_TOKENS
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, BlobPart):
                encoded = (part.size + 2) // 3 * 4
                least = IMAGE_TOKENS if part.media.startswith("image/") else max(DOCUMENT_TOKENS_MIN, part.size)
                tokens += least - min(encoded, tokens)
    return Bounds(tokens, output)


def count(value: object) -> int | None:
    """A token count: a whole number from 0 up, else None."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def usage_of(tokens_in: object, tokens_out: object, *, text: str, **rest: object) -> Usage | None:
    """Usage when it can be true: some input, and some output unless the answer is empty."""
    into, out = count(tokens_in), count(tokens_out)
    if not into or out is None or (out == 0 and text):
        return None
    extra = {name: count(value) or 0 for name, value in rest.items()}
    cached = min(into, extra.get("tokens_cached", 0))
    written = min(into - cached, extra.get("tokens_cache_write", 0))
    return Usage(into, out, cached, written, extra.get("tokens_reasoning", 0))


def get(value: object, *path: str | int) -> object:
    """A nested value, None where the shape is another."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value

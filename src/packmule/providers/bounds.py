"""What an attempt can cost at most, in tokens. A bound that is too low breaks the cap; one too high only waits.

Words: a tokenizer makes at most one token of a byte, so the bytes of the body bound them, plus what a provider adds
unseen (its chat template, and instructions for a schema). Base64 is not words: an image or a page counts by a
generous figure instead of its bytes. The pages of a PDF are counted in its plain text and its object streams;
where nothing can be counted, one page for every 2 KiB is taken.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from binascii import Error as NotBase64

from packmule.core.calls import BlobPart, Bounds, Request
from packmule.providers.attachments import sent_blobs
from packmule.providers.traits import output_max

OVERHEAD = 512
SCHEMA_OVERHEAD = 2_048
PAGE_TOKENS = 8_192
BYTES_PER_PAGE = 2_048

_PDF_IN_BASE64 = b"JVBERi"
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,6})")
_OBJECTS = re.compile(rb"/ObjStm[^>]*>>\s*stream\r?\n")
_STREAMS_MAX = 2_000
_STREAM_BYTES_MAX = 1 << 20


def bounds_of(model: str, request: Request, body: bytes, *, image_tokens: int) -> Bounds:
    """Upper bounds of an encoded request. `image_tokens` is the most that one image costs with this model."""
    tokens_in = len(body) + OVERHEAD
    if request.schema is not None:
        tokens_in += SCHEMA_OVERHEAD + len(request.schema.encode())
    place = 0
    for sort, part in sent_blobs(request):
        if sort == "text":
            continue
        tokens_in -= min(base64_size(part.size), len(body))
        if sort == "image":
            tokens_in += image_tokens
        else:
            pages, place = _pages(part, body, place)
            tokens_in += pages * max(PAGE_TOKENS, image_tokens)
    return Bounds(max(tokens_in, OVERHEAD), output_max(model, request.max_output_tokens))


def base64_size(size: int) -> int:
    """How long `size` bytes are as base64."""
    return 4 * ((size + 2) // 3)


def pdf_pages(data: bytes) -> int:
    """An upper figure for the pages of a PDF, without reading it as one."""
    seen = max(_counted(data), max((_counted(text) for text in _object_streams(data)), default=0))
    most = len(data) // 32 + 1
    return min(seen, most) if seen else len(data) // BYTES_PER_PAGE + 1


def _pages(part: BlobPart, body: bytes, place: int) -> tuple[int, int]:
    """Pages of the next PDF at or after `place` in a body, and where to look for the one after it."""
    if part.data is not None:
        return pdf_pages(part.data), place
    start = body.find(_PDF_IN_BASE64, place)
    if start < 0:
        return part.size // BYTES_PER_PAGE + 1, place
    end = start + base64_size(part.size)
    try:
        return pdf_pages(b64decode(body[start:end])), end
    except NotBase64:
        return part.size // BYTES_PER_PAGE + 1, end


def _counted(text: bytes) -> int:
    return max(len(_PAGE.findall(text)), max((int(found) for found in _COUNT.findall(text)), default=0))


def _object_streams(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    for match in _OBJECTS.finditer(data):
        if len(found) >= _STREAMS_MAX:
            break
        try:
            start = match.end()
            found.append(zlib.decompressobj().decompress(data[start : start + _STREAM_BYTES_MAX], _STREAM_BYTES_MAX))
        except zlib.error:
            continue
    return found

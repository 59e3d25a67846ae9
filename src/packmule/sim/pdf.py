"""The words of a simple PDF: literal strings and UTF-16 hex strings of its content streams, line by line.

As much as a provider in a box needs: no font is looked into, so that other documents are pictures to it.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from binascii import Error as NotBase64

STREAM_MAX = 4_000_000
MEDIA = "application/pdf"

_STREAM = re.compile(rb"(<<(?:[^<>]|<<[^<>]*>>|<[^<>]*>)*>>)\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_TOKEN = re.compile(rb"\((?:[^()\\]|\\.)*\)|<[0-9A-Fa-f\s]*>|[-+]?\d*\.?\d+|[A-Za-z'\"*]+|[\[\]]", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def document_words(media: str, data: object) -> str:
    """A document in base64 as fenced words; '' where none can be read."""
    if media.partition(";")[0] != MEDIA or not isinstance(data, str):
        return ""
    try:
        text = pdf_text(b64decode(data, validate=True))
    except NotBase64:
        return ""
    return f"<document>\n{text}\n</document>" if text.strip() else ""


def pdf_text(data: bytes) -> str:
    """Lines in the order of the streams; pieces on one line are parted by two spaces."""
    return "\n".join(line for found in _STREAM.finditer(data) for line in _lines(_unpacked(found[1], found[2])))


def _unpacked(head: bytes, body: bytes) -> bytes:
    if b"/FlateDecode" not in head:
        return body
    try:
        return zlib.decompressobj().decompress(body, STREAM_MAX)
    except zlib.error:
        return b""


def _lines(stream: bytes) -> list[str]:
    if b"BT" not in stream:
        return []
    lines: list[str] = []
    last_y, y = None, 0.0
    stack: list[bytes] = []
    for token in _TOKEN.findall(stream):
        if not token[:1].isalpha() and token not in {b"'", b'"', b"T*"}:
            stack.append(token)
            continue
        numbers = [float(part) for part in stack if part[:1] not in b"(<[]"]
        if token in {b"Td", b"TD"} and len(numbers) > 1:
            y += numbers[-1]
        elif token == b"Tm" and numbers:
            y = numbers[-1]
        elif token == b"BT":
            y = 0.0
        elif token in {b"T*", b"'", b'"'}:
            last_y = None
        if token in {b"Tj", b"TJ", b"'", b'"'}:
            text = "".join(_decoded(part) for part in stack if part[:1] in b"(<")
            if y == last_y and lines:
                lines[-1] += f"  {text}"
            else:
                lines.append(text)
            last_y = y
        stack = []
    return lines


def _decoded(part: bytes) -> str:
    if part[:1] == b"<":
        digits = b"".join(part[1:-1].split())
        return bytes.fromhex(digits.decode()).decode("utf-16-be", "replace") if len(digits) % 4 == 0 else ""
    return _ESCAPE.sub(_unescaped, part[1:-1]).decode("cp1252", "replace")


def _unescaped(found: re.Match[bytes]) -> bytes:
    mark = found[1]
    return bytes([int(mark, 8) & 255]) if mark.isdigit() else _PLAIN.get(mark, mark)

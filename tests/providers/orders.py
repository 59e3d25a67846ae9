"""Requests as recipes make them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from packmule.core.calls import BlobPart, Message, Part, Request, TextPart

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.4\n1 0 obj << /Type /Pages /Count 3 >> endobj\n" + b"2 0 obj << /Type /Page >> endobj\n" * 3 + b"%%EOF"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"mood": {"type": "string", "enum": ["good", "bad"]}, "score": {"type": "integer"}},
    "required": ["mood", "score"],
    "additionalProperties": False,
}


def blob(data: bytes, media: str, name: str = "", *, inline: bool = True) -> BlobPart:
    return BlobPart(media, sha256(data).hexdigest(), len(data), name, data if inline else None)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def asked(*messages: Message, schema: Any = None, model: str = "openai/gpt-4.1", **more: Any) -> Request:
    text = msgspec.json.encode(schema).decode() if schema is not None else None
    return Request((model,), messages or (user("Hello"),), schema=text, **more)


def no_blobs(name: str) -> bytes:
    message = f"nobody asked for {name}"
    raise AssertionError(message)


CASES: dict[str, Request] = {
    "text": asked(),
    "system": asked(system="Be brief."),
    "schema": asked(schema=SCHEMA),
    "bound and temperature": asked(max_output_tokens=77, temperature=0.5),
    "image": asked(user("What is this?", blob(PNG, "image/png"))),
    "document": asked(user("Sum up.", blob(PDF, "application/pdf", "bill.pdf"))),
    "text file": asked(user("Read.", blob("Grüße".encode(), "text/plain", "note.txt"))),
    "many turns": asked(user("Hi"), Message("assistant", (TextPart("Hello"),)), user("And now?")),
    "not ascii": asked(user("日本語 ✓ “quoted” \n\t \\ \u2028")),
}

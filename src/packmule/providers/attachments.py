"""Parts of a message that are not words: which sort they are, and their bytes as base64.

Images and PDF documents go out natively. Text files become words. Anything else is refused by name, before money
is spent.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from packmule.core.calls import BlobPart, BlobSource, Message, Request, TextPart
from packmule.errors import UsageError

Sort = Literal["image", "pdf", "text"]

PDF = "application/pdf"
IMAGES = frozenset(("image/png", "image/jpeg", "image/webp", "image/gif", "image/heic", "image/heif"))
TEXTS = frozenset(("application/json", "application/xml", "application/x-ndjson", "application/yaml"))


def sort_of(part: BlobPart) -> Sort:
    """How a blob is sent. Raises UsageError for a media type that no model reads."""
    media = part.media.partition(";")[0].strip().lower()
    if media in IMAGES:
        return "image"
    if media == PDF:
        return "pdf"
    if media.startswith("text/") or media in TEXTS:
        return "text"
    message = f"{part.name or 'an attachment'} is {part.media}, which cannot be sent to a model"
    raise UsageError(message, hint="attach PNG, JPEG, WebP or GIF images, PDF documents, or text")


def data_of(part: BlobPart, blobs: BlobSource) -> bytes:
    """The bytes of a blob."""
    return part.data if part.data is not None else blobs(part.sha256)


def base64_of(part: BlobPart, blobs: BlobSource) -> str:
    """The bytes of a blob as base64 text."""
    return b64encode(data_of(part, blobs)).decode("ascii")


def text_of(part: BlobPart, blobs: BlobSource) -> str:
    """A text file as words, its name before it."""
    text = data_of(part, blobs).decode("utf-8", "replace")
    return f"{part.name}:\n{text}" if part.name else text


def is_plain(message: Message) -> bool:
    """Words only: such a message can go as one string, which every server understands."""
    return message.role == "assistant" or all(isinstance(part, TextPart) for part in message.parts)


def sent_blobs(request: Request) -> list[tuple[Sort, BlobPart]]:
    """The blobs of a request that go out; an assistant's turn is words only."""
    users = (message for message in request.messages if message.role == "user")
    return [(sort_of(part), part) for message in users for part in message.parts if isinstance(part, BlobPart)]


def require_text(request: Request, vendor: str) -> None:
    """Raises UsageError for a request for an image, which this version cannot make."""
    if request.want == "image":
        message = f'{vendor}: want="image" is not supported yet; only text can be asked for'
        raise UsageError(message)

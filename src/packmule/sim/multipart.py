"""A body of multipart/form-data, taken apart."""

from __future__ import annotations

from email.message import Message

from msgspec import Struct


class Part(Struct, frozen=True):
    """One field; `filename` is '' where it is no file."""

    filename: str
    content: bytes


def parts_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields by their names; empty when this is no such body."""
    boundary = _header(content_type).get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        return {}
    found = {}
    for piece in body.split(b"--" + boundary.encode("latin-1"))[1:-1]:
        head, between, content = piece.partition(b"\r\n\r\n")
        disposition = next(
            (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition:")), b""
        )
        said = _header(disposition.partition(b":")[2].decode("utf-8", "replace").strip())
        name = said.get_param("name")
        if between and isinstance(name, str):
            filename = said.get_param("filename")
            found[name] = Part(filename if isinstance(filename, str) else "", content.removesuffix(b"\r\n"))
    return found


def _header(value: str) -> Message:
    message = Message()
    message["content-type"] = value
    return message

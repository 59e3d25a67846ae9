"""JSON in the store: as it is up to 1 KiB, zlib above. Told apart by the first byte: no JSON begins with an x."""

from __future__ import annotations

import zlib

PLAIN_MAX = 1024
_LEVEL = 1


def pack(data: bytes) -> bytes:
    """Smaller when that pays; level 1, because this stands in the path of every call."""
    return data if len(data) <= PLAIN_MAX else zlib.compress(data, _LEVEL)


def unpack(data: bytes) -> bytes:
    """Back from `pack`."""
    return zlib.decompress(data) if data[:1] == b"x" else data

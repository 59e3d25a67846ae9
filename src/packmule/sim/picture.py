"""A small PNG, different for each request."""

from __future__ import annotations

import random
import struct
import zlib

SIDE = 48


def png(chance: random.Random) -> bytes:
    """A gradient between two colours, `SIDE` by `SIDE` pixels."""
    one, two = (bytes(chance.randrange(256) for _ in range(3)) for _ in range(2))
    rows = bytearray()
    for y in range(SIDE):
        rows.append(0)
        for x in range(SIDE):
            share = (x + y) / (2 * SIDE)
            rows.extend(int(a + (b - a) * share) for a, b in zip(one, two, strict=True))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

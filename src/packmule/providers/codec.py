"""What a vendor's file gives: a record of pure functions between our values and its bytes.

A codec knows no key, no address and no price; the endpoint joins these. The same functions serve a request of its
own and a line of a job's file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packmule.core.calls import Answer, BlobSource, Bounds, Fault, RateHint, Received, Request


@dataclass(frozen=True, slots=True)
class Codec:
    """`model` is always the name on the wire, without our provider's prefix.

    `encode` raises UsageError for what this vendor cannot be asked. `url` joins a base URL and a model. `headers`
    makes the headers of a key (None: no key).
    """

    encode: Callable[[str, Request, BlobSource], bytes]
    bounds: Callable[[str, Request, bytes], Bounds]
    decode: Callable[[Received], Answer | Fault]
    hint: Callable[[Received], RateHint | None]
    url: Callable[[str, str], str]
    headers: Callable[[str | None], dict[str, str]]

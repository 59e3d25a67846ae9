"""HTTP over pyreqwest: bytes out, bytes in, and an honest word about what is known when it fails.

Two rules. An attempt is `not_sent` only when it is proved that no request byte left: the failure lies in the
connector (DNS, TCP, TLS) or in the wait for a connection. The class of pyreqwest's exception proves nothing: a
server that reads a request and never answers raises ConnectTimeoutError. Only the chain of causes tells, and
whatever it does not prove is `unknown`. And nothing that a server sends may cost more memory than the cap:
bodies are read chunk by chunk, after decompression.

Deliberately absent: retries, redirects, proxies from the environment, cookies, HTTP/2, and a read timeout of its
own (pyreqwest has it per client only, where it would cut a model that thinks for long; the total time of the
request bounds a silent server and a dripping one alike). Messages never hold a URL or a header: either may
hold a key.

An idle connection that the server closes is dropped unseen. What remains is the instant in which the close
and our next request cross on the wire: that is a `reset`, unknown, because the server may have read it. The
short idle time of the pool keeps that instant rare.

Cancelling does not call a request back: pyreqwest goes on with it in its own thread until the head of the answer
comes or the request's time is over, and one that still waits for its connection is even written afterwards
(`close` does not stop it either). A cancelled attempt is therefore `unknown`, never `not_sent`. A gate in
the request body would hold such a request back, and costs 60 µs a request: more than everything else here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from urllib.parse import urlsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    ClientClosedError,
    DecodeError,
    DetailedPyreqwestError,
    PoolTimeoutError,
    PyreqwestError,
    RequestTimeoutError,
)
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from packmule.core.calls import Fault, FaultKind, Outcome, Received, WireRequest

BODY_MAX = 64 * 2**20
FAULT_BODY_MAX = 65_536
CONNECT_TIMEOUT_S = 10.0
POOL_IDLE_S = 4.0
# What a slow line still carries: large bodies get a second for every so many bytes.
BYTES_PER_S = 1_000_000

# With its default read-ahead pyreqwest swallows a half-sent answer whole; without, what came is kept.
_NO_READ_AHEAD = 0
_IN_CONNECTOR = "client error (Connect)"
_ENDED_EARLY = ("error reading a body from connection", "unexpected end of file")
_OUT_OF_FILES = ("(os error 24)", "(os error 23)")
_TIMED_OUT = "operation timed out"


class HttpTransport:
    """One client and its pool of connections, made at the first send. `body_max` is the cap on a body, in bytes."""

    __slots__ = ("_body_max", "_client", "_connect_timeout_s", "_pool_idle_s")

    def __init__(
        self,
        *,
        body_max: int = BODY_MAX,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        pool_idle_s: float = POOL_IDLE_S,
    ) -> None:
        self._body_max = body_max
        self._connect_timeout_s = connect_timeout_s
        self._pool_idle_s = pool_idle_s
        self._client: Client | None = None

    async def send(self, request: WireRequest, timeout_s: float) -> Received | Fault:
        """One exchange. `timeout_s` bounds it from the connect to the last byte. Raises only CancelledError."""
        try:
            built = self._build(request, timeout_s)
        except (BuilderError, ValueError):
            return _unbuildable(request)
        chunks: list[bytes] = []
        answering = False
        try:
            async with built as response:
                answering = True
                headers = _headers(response)
                if not await self._read(response, chunks, _declared(headers)):
                    return _too_large(self._body_max, chunks)
                return Received(response.status, headers, b"".join(chunks))
        except PyreqwestError as error:
            return _fault(error, request, b"".join(chunks), answering=answering)

    async def fetch(
        self, request: WireRequest, write: Callable[[bytes], object], timeout_s: float, size_max: int
    ) -> Received | Fault:
        """One exchange whose success goes to `write`, piece by piece. Raises CancelledError and what `write` raises."""
        try:
            built = self._build(request, timeout_s + size_max / BYTES_PER_S)
        except (BuilderError, ValueError):
            return _unbuildable(request)
        answering = False
        try:
            async with asyncio.timeout(timeout_s) as limit, built as response:
                answering = True
                return await self._pour(response, write, limit, size_max)
        except TimeoutError:
            said = "the answer of {host} did not end in time" if answering else "{host} gave no answer in time"
            return Fault("timeout", "unknown", _sentence(said, request, []))
        except PyreqwestError as error:
            return _fault(error, request, b"", answering=answering)

    async def _pour(
        self, response: Response, write: Callable[[bytes], object], limit: asyncio.Timeout, size_max: int
    ) -> Received | Fault:
        headers = _headers(response)
        if response.status // 100 != 2:  # noqa: PLR2004 - the class of successes
            chunks: list[bytes] = []
            if not await self._read(response, chunks, _declared(headers)):
                return _too_large(self._body_max, chunks)
            return Received(response.status, headers, b"".join(chunks))
        size = 0
        while (chunk := await response.body_reader.read_chunk()) is not None:
            size += len(chunk)
            if size > size_max:
                return _too_large(size_max, [])
            write(chunk.to_bytes())
            limit.reschedule((limit.when() or 0.0) + len(chunk) / BYTES_PER_S)
        if _declared(headers) not in {-1, size}:
            return Fault("cut", "unknown", f"{size:,} bytes came of {_declared(headers):,}")
        return Received(response.status, headers, b"")

    async def close(self) -> None:
        """Give back every connection. What is in flight ends as a `reset`; a later send opens a new client."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _build(self, request: WireRequest, timeout_s: float) -> StreamRequest:
        client = self._client
        if client is None:
            client = self._client = self._open()
        builder = client.request(request.method, request.url).headers(request.headers)
        if request.body:
            builder = builder.body_bytes(request.body)
        return builder.timeout(timedelta(seconds=timeout_s)).streamed_read_buffer_limit(_NO_READ_AHEAD).build_streamed()

    def _open(self) -> Client:
        builder = ClientBuilder().no_proxy().follow_redirects(enable=False).error_for_status(enable=False)
        builder = builder.referer(enable=False).user_agent("packmule").http1_only()
        builder = builder.connect_timeout(timedelta(seconds=self._connect_timeout_s))
        return builder.pool_idle_timeout(timedelta(seconds=self._pool_idle_s)).build()

    async def _read(self, response: Response, chunks: list[bytes], declared: int) -> bool:
        """Fill `chunks`, up to the declared size or the end; False as soon as the body is larger than the cap."""
        reader = response.body_reader
        size = 0
        while size != declared and (chunk := await reader.read_chunk()) is not None:
            size += len(chunk)
            if size > self._body_max:
                return False
            chunks.append(chunk.to_bytes())
        return True


def _too_large(size_max: int, chunks: list[bytes]) -> Fault:
    message = f"the answer is larger than {size_max:,} bytes"
    return Fault("malformed", "unknown", message, body=_first_bytes(chunks))


def _declared(headers: dict[str, str]) -> int:
    """How long the body is; -1 where nobody says. Knowing it saves a turn of the loop that would only find the end."""
    size = headers.get("content-length", "")
    return int(size) if size.isdecimal() and "content-encoding" not in headers else -1


def _headers(response: Response) -> dict[str, str]:
    """Lower-case names. A value that is not ASCII cannot be read through pyreqwest and is left out."""
    found = response.headers
    try:
        return dict(found)
    except ValueError:
        return dict(_readable(response, found.keys()))


def _readable(response: Response, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            value = response.get_header(name)
        except ValueError:
            continue
        if value is not None:
            yield name, value


def _fault(error: PyreqwestError, request: WireRequest, body: bytes, *, answering: bool) -> Fault:
    causes = _causes(error)
    if answering:
        kind, said = _while_answering(error, causes)
        return Fault(kind, "unknown", _sentence(said, request, causes), body=body[:FAULT_BODY_MAX])
    kind, outcome, said = _before_answer(error, causes)
    return Fault(kind, outcome, _sentence(said, request, causes))


def _before_answer(error: PyreqwestError, causes: list[str]) -> tuple[FaultKind, Outcome, str]:
    if any(cause.endswith(_OUT_OF_FILES) for cause in causes):
        return "local", "not_sent", "no connection to {host}"
    if _IN_CONNECTOR in causes or isinstance(error, PoolTimeoutError):
        return "connect", "not_sent", "could not connect to {host}"
    if isinstance(error, BuilderError):
        return "invalid_request", "rejected", "the address of the request to {host} is not usable"
    if _TIMED_OUT in causes or isinstance(error, RequestTimeoutError):
        return "timeout", "unknown", "{host} gave no answer in time"
    if isinstance(error, ClientClosedError):
        return "reset", "unknown", "our side closed the connection to {host} before the answer"
    if isinstance(error, DecodeError):
        return "malformed", "unknown", "{host} answered with something that is not HTTP"
    return "reset", "unknown", "{host} broke the connection before it answered"


def _while_answering(error: PyreqwestError, causes: list[str]) -> tuple[FaultKind, str]:
    if _TIMED_OUT in causes or isinstance(error, RequestTimeoutError):
        return "timeout", "the answer of {host} did not end in time"
    if any(cause in _ENDED_EARLY for cause in causes) or isinstance(error, ClientClosedError):
        return "cut", "the answer of {host} ended early"
    return "malformed", "the answer of {host} cannot be unpacked"


def _causes(error: PyreqwestError) -> list[str]:
    if not isinstance(error, DetailedPyreqwestError):
        return []
    return [cause["message"] for cause in error.details.get("causes") or ()]


def _sentence(said: str, request: WireRequest, causes: list[str]) -> str:
    """The last cause is the plainest; the first holds the URL and is never shown."""
    sentence = said.format(host=_host(request.url))
    return f"{sentence}: {causes[-1]}" if len(causes) > 1 else sentence


def _host(url: str) -> str:
    """Host and port only: the rest of an address may hold a key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "the server", parts.port
    except ValueError:
        return "the server"
    return f"{host}:{port}" if port else host


def _unbuildable(request: WireRequest) -> Fault:
    """Nothing was sent, and the same request would fail again. pyreqwest's own words may hold the key."""
    message = (
        f"the request to {_host(request.url)} cannot be written as HTTP:"
        " look for a line break in the key and for a base URL that does not start with http:// or https://"
    )
    return Fault("invalid_request", "rejected", message)


def _first_bytes(chunks: list[bytes]) -> bytes:
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        if size >= FAULT_BODY_MAX:
            break
        kept.append(chunk)
        size += len(chunk)
    return b"".join(kept)[:FAULT_BODY_MAX]

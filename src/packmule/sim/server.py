"""The provider over HTTP/1.1 on a socket of its own: keep-alive, and every way to lose an answer for real.

Small on purpose: it reads requests with a content-length, and does not do chunked requests, TLS or pipelining.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from packmule.core.ports import Clock
from packmule.errors import UsageError
from packmule.sim.bill import FileBill
from packmule.sim.provider import Delivery, SimProvider
from packmule.sim.scenario import Scenario

HEAD_MAX = 65_536
BODY_MAX = 256 * 2**20
DRIP_EVERY_S = 0.05
_RST = struct.pack("ii", 1, 0)


class Server:
    """A running provider. `port` is the bound one; `provider` is the box behind it."""

    def __init__(self, provider: SimProvider, clock: Clock, bill: FileBill | None) -> None:
        self.provider = provider
        self.port = 0
        self._clock = clock
        self._bill = bill
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Bind. Raises UsageError when the port is taken."""
        try:
            self._listener = await asyncio.start_server(self._connected, host, port, limit=HEAD_MAX, backlog=4096)
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror or error}"
            raise UsageError(message, hint="another program has the port; --port 0 chooses a free one") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, drop every connection, finish the bill."""
        if self._listener is not None:
            self._listener.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self.provider.close()
        if self._bill is not None:
            self._bill.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client went away, sent no HTTP, or the server is closing
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        method, _, rest = first.partition(" ")
        path = rest.rpartition(" ")[0]
        headers = dict(_header(line) for line in lines)
        length = headers.get("content-length", "0")
        if not path or "transfer-encoding" in headers or not length.isdecimal() or int(length) > BODY_MAX:
            writer.write(_head(411, {}, 0) if path else _head(400, {}, 0))
            return False
        if headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(length)) if length != "0" else b""
        delivery = await self.provider.handle(method, path, headers, body)
        kept = await self._deliver(delivery, reader, writer)
        return kept and headers.get("connection", "").lower() != "close"

    async def _deliver(self, delivery: Delivery, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if delivery.wait_s > 0:
            await self._clock.sleep(delivery.wait_s)
        body, half = delivery.body, len(delivery.body) // 2
        match delivery.how:
            case "reset" | "refused":
                _reset(writer)
            case "hang":
                await reader.read(1)
            case "cut":
                writer.write(_head(delivery.status, delivery.headers, len(body)) + body[:half])
                await writer.drain()
            case "short":
                writer.write(_head(delivery.status, delivery.headers, half) + body)
                await writer.drain()
            case "drip":
                await self._drip(delivery, writer)
                return True
            case "whole":
                writer.write(_head(delivery.status, delivery.headers, len(body)) + body)
                await writer.drain()
                return True
        return False

    async def _drip(self, delivery: Delivery, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(delivery.status, delivery.headers, len(delivery.body)))
        step = max(1, int(delivery.drip_bytes_per_s * DRIP_EVERY_S))
        for start in range(0, len(delivery.body), step):
            writer.write(delivery.body[start : start + step])
            await writer.drain()
            await self._clock.sleep(step / delivery.drip_bytes_per_s)


async def serve(scenario: Scenario, host: str, port: int, bill_path: Path | None, clock: Clock) -> Server:
    """Start a provider on `host` and `port` (0 chooses a free one). The caller ends it with `close`.

    With a bill it keeps its batch jobs in a file of its own beside it, and has them again when it is started again.
    """
    bill = FileBill(bill_path) if bill_path is not None else None
    jobs_file = bill_path.with_name(f"{bill_path.name}.jobs") if bill_path is not None else None
    server = Server(SimProvider(scenario, clock, bill, jobs_file), clock, bill)
    try:
        await server.listen(host, port)
    except UsageError:
        await server.close()
        raise
    return server


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def _head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode("latin-1")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the client sees RST, not an orderly end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    writer.transport.abort()

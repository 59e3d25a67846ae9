"""The HTTP face: keep-alive, bad requests, a taken port, a clean end."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from pathlib import Path

import pytest

import packmule.sim
from packmule.engine.clock import RealClock
from packmule.errors import UsageError
from packmule.sim.scenario import Scenario
from packmule.sim.server import Server, serve
from tests.sim.harness import box, chat


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(data)
        return connection.recv(4096)


def test_a_connection_carries_many_requests() -> None:
    with box() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.connect()
        mine = connection.sock
        for number in range(5):
            connection.request("POST", "/v1/chat/completions", chat(f"Say {number} words."))
            got = connection.getresponse()
            assert (got.status, json.loads(got.read())["object"]) == (200, "chat.completion")
        assert connection.sock is mine
        connection.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 200),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 404),
        (b"DELETE /v1/chat/completions HTTP/1.1\r\n\r\n", 405),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 3\r\n\r\n{x}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n[]", 400),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\ncontent-length: minus one\r\n\r\n", 411),
        (b"hello\r\n\r\n", 400),
    ],
)
def test_odd_requests_get_an_answer(request_: bytes, status: int) -> None:
    with box() as server:
        assert raw(server.port, request_).startswith(b"HTTP/1.1 %d " % status)


def test_a_stream_is_refused_with_a_reason() -> None:
    with box() as server:
        body = chat("Say something.", stream=True)
        got = raw(server.port, b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert b" 400 " in got
        assert b"does not stream" in got


def test_a_head_without_an_end_is_dropped() -> None:
    with box() as server:
        assert raw(server.port, b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000) == b""


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with box() as server, pytest.raises(UsageError, match=str(server.port)):
        asyncio.run(serve(Scenario(), "127.0.0.1", server.port, None, RealClock()))


def test_close_ends_connections_that_wait_and_keeps_the_bill(tmp_path: Path) -> None:
    async def run() -> bytes:
        scenario = Scenario(latency=packmule.sim.scenario.Latency(median_s=60, sigma=0))
        server: Server = await serve(scenario, "127.0.0.1", 0, tmp_path / "bill", RealClock())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = chat("Say something.")
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        for _ in range(500):
            if (tmp_path / "bill").read_bytes():
                break
            await asyncio.sleep(0.01)
        await server.close()
        left = await reader.read()
        writer.close()
        return left

    assert asyncio.run(run()) == b""


def test_the_box_knows_nothing_of_what_is_made_with_it() -> None:
    banned = re.compile(r"persona|debate|judge|\bactors?\b|sample.?set|recipe|balance", re.IGNORECASE)
    for path in Path(packmule.sim.__file__).parent.glob("*.py"):
        assert not banned.findall(path.read_text("utf-8")), path.name

"""What HttpTransport knows after each failure, held against real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from packmule.core.calls import Fault, Received, WireRequest
from packmule.providers.transport import FAULT_BODY_MAX, HttpTransport
from tests.providers.sockets import Script, read_request, reset, served

CANARY = "sk-CANARY-3141"


def answering(raw: bytes, *, then_wait_s: float = 0.0) -> Script:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(then_wait_s)

    return script


def post(url: str, headers: dict[str, str] | None = None) -> WireRequest:
    return WireRequest("POST", url, {"authorization": f"Bearer {CANARY}", **(headers or {})}, b'{"hello": 1}')


async def ask(url: str, *, timeout_s: float = 5.0, transport: HttpTransport | None = None) -> Received | Fault:
    transport = transport or HttpTransport()
    try:
        return await transport.send(post(url), timeout_s)
    finally:
        await transport.close()


def exchange(script: Script, *, timeout_s: float = 5.0, scheme: str = "http", **settings: float) -> Received | Fault:
    async def run() -> Received | Fault:
        async with served(script) as port:
            transport = HttpTransport(**settings)  # type: ignore[arg-type]
            return await ask(f"{scheme}://127.0.0.1:{port}/v1/x?key={CANARY}", timeout_s=timeout_s, transport=transport)

    return asyncio.run(run())


def fault(got: Received | Fault) -> Fault:
    assert isinstance(got, Fault), got
    assert CANARY not in got.message
    return got


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_refused_port_was_not_sent_and_the_message_names_host_and_port() -> None:
    port = closed_port()
    got = fault(asyncio.run(ask(f"http://127.0.0.1:{port}/v1?key={CANARY}")))
    assert (got.kind, got.outcome) == ("connect", "not_sent")
    assert f"127.0.0.1:{port}" in got.message
    assert "refused" in got.message


def test_an_unresolvable_host_was_not_sent() -> None:
    got = fault(asyncio.run(ask("http://no-such-host.invalid/v1")))
    assert (got.kind, got.outcome) == ("connect", "not_sent")
    assert "no-such-host.invalid" in got.message


def test_tls_to_a_plain_port_was_not_sent() -> None:
    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    got = fault(exchange(plain, scheme="https"))
    assert (got.kind, got.outcome) == ("connect", "not_sent")


def test_a_tls_handshake_that_is_reset_was_not_sent() -> None:
    async def resetting(reader: Reader, writer: Writer) -> None:
        await reader.read(100)
        reset(writer)

    got = fault(exchange(resetting, scheme="https"))
    assert (got.kind, got.outcome) == ("connect", "not_sent")


def test_a_connect_that_takes_too_long_was_not_sent() -> None:
    async def silent(reader: Reader, writer: Writer) -> None:
        del writer
        await reader.read(10_000)
        await asyncio.sleep(5)

    got = fault(exchange(silent, scheme="https", connect_timeout_s=0.2))
    assert (got.kind, got.outcome) == ("connect", "not_sent")


def test_a_server_that_reads_and_never_answers_is_unknown() -> None:
    async def silent(reader: Reader, writer: Writer) -> None:
        del writer
        await read_request(reader)
        await asyncio.sleep(5)

    got = fault(exchange(silent, timeout_s=0.2))
    assert (got.kind, got.outcome) == ("timeout", "unknown")


def test_a_server_that_accepts_and_never_reads_is_unknown() -> None:
    async def deaf(reader: Reader, writer: Writer) -> None:
        del reader, writer
        await asyncio.sleep(5)

    got = fault(exchange(deaf, timeout_s=0.2))
    assert (got.kind, got.outcome) == ("timeout", "unknown")


def test_a_reset_after_the_request_is_unknown() -> None:
    async def resetting(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        reset(writer)

    got = fault(exchange(resetting))
    assert (got.kind, got.outcome) == ("reset", "unknown")


def test_a_reset_straight_after_the_accept_is_not_sent_only_when_it_meets_the_connect_itself() -> None:
    async def resetting(reader: Reader, writer: Writer) -> None:
        del reader
        reset(writer)

    got = fault(exchange(resetting))
    assert (got.kind, got.outcome) in {("reset", "unknown"), ("connect", "not_sent")}


def test_a_close_without_an_answer_is_unknown() -> None:
    got = fault(exchange(answering(b"")))
    assert (got.kind, got.outcome) == ("reset", "unknown")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\nhalf of\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\nhalf of\r\nzz\r\n",
    ],
)
def test_half_an_answer_is_cut_and_keeps_what_came(raw: bytes) -> None:
    got = fault(exchange(answering(raw)))
    assert (got.kind, got.outcome, got.body) == ("cut", "unknown", b"half of")


def test_a_reset_in_the_middle_of_the_answer_is_cut() -> None:
    async def resetting(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of")
        await writer.drain()
        await asyncio.sleep(0.1)
        reset(writer)

    got = fault(exchange(resetting))
    assert (got.kind, got.outcome) == ("cut", "unknown")


def test_a_content_length_that_is_too_small_gives_that_many_bytes_and_spoils_no_later_request() -> None:
    async def run() -> list[Received | Fault]:
        raw = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nlonger"
        async with served(answering(raw, then_wait_s=0.5)) as port:
            transport = HttpTransport()
            got = [await transport.send(post(f"http://127.0.0.1:{port}/"), 5) for _ in range(3)]
            await transport.close()
            return got

    for got in asyncio.run(run()):
        assert isinstance(got, Received)
        assert got.body == b"lo"


def test_a_drip_past_the_total_time_is_a_timeout_and_keeps_what_came() -> None:
    async def dripping(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    got = fault(exchange(dripping, timeout_s=0.4))
    assert (got.kind, got.outcome) == ("timeout", "unknown")
    assert 0 < len(got.body) < 50


def test_a_redirect_is_received_and_not_followed() -> None:
    got = exchange(answering(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"))
    assert isinstance(got, Received)
    assert (got.status, got.headers["location"]) == (302, "/elsewhere")


def test_an_error_status_is_received_with_lower_case_headers_and_its_body() -> None:
    raw = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nX-Note: caf\xe9\r\ncontent-length: 4\r\n\r\nslow"
    got = exchange(answering(raw))
    assert isinstance(got, Received)
    assert (got.status, got.body, got.headers["retry-after"]) == (429, b"slow", "7")


def test_a_gzip_body_is_unpacked() -> None:
    packed = gzip.compress(b'{"a": 1}')
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    got = exchange(answering(head + packed))
    assert isinstance(got, Received)
    assert got.body == b'{"a": 1}'


def test_a_truncated_gzip_body_is_cut() -> None:
    packed = gzip.compress(b'{"a": 1}' * 50)[:-12]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    got = fault(exchange(answering(head + packed)))
    assert (got.kind, got.outcome) == ("cut", "unknown")


def test_a_body_that_is_not_the_gzip_it_says_is_malformed() -> None:
    got = fault(exchange(answering(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc")))
    assert (got.kind, got.outcome) == ("malformed", "unknown")


def test_a_body_over_the_cap_is_malformed_and_keeps_its_first_bytes() -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300_000
    got = fault(exchange(answering(raw), body_max=200_000))
    assert (got.kind, got.outcome) == ("malformed", "unknown")
    assert got.body == b"x" * FAULT_BODY_MAX


def test_a_decompression_bomb_is_stopped_at_the_cap() -> None:
    packed = gzip.compress(bytes(20_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    got = fault(exchange(answering(head + packed), body_max=1_000_000))
    assert (got.kind, got.outcome) == ("malformed", "unknown")


@pytest.mark.parametrize("raw", [b"what is this\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2_000_000 + b"\r\n\r\n"])
def test_what_is_not_http_is_malformed(raw: bytes) -> None:
    got = fault(exchange(answering(raw)))
    assert (got.kind, got.outcome) == ("malformed", "unknown")


def test_an_idle_connection_closed_by_the_server_costs_no_unknown() -> None:
    async def run() -> list[Received | Fault]:
        async def once_then_close(reader: Reader, writer: Writer) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
            await asyncio.sleep(0.02)

        async with served(once_then_close) as port:
            transport = HttpTransport()
            got: list[Received | Fault] = []
            for _ in range(10):
                got.append(await transport.send(post(f"http://127.0.0.1:{port}/"), 5))
                await asyncio.sleep(0.1)
            await transport.close()
            return got

    assert [type(got) for got in asyncio.run(run())] == [Received] * 10


def test_connections_are_reused() -> None:
    async def run() -> int:
        connections = 0

        async def keeping(reader: Reader, writer: Writer) -> None:
            nonlocal connections
            connections += 1
            while True:
                await read_request(reader)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

        async with served(keeping) as port:
            transport = HttpTransport()
            for _ in range(5):
                assert isinstance(await transport.send(post(f"http://127.0.0.1:{port}/"), 5), Received)
            await transport.close()
        return connections

    assert asyncio.run(run()) == 1


def test_cancellation_passes_through() -> None:
    async def run() -> None:
        arrived = asyncio.Event()

        async def silent(reader: Reader, writer: Writer) -> None:
            del writer
            await read_request(reader)
            arrived.set()
            await asyncio.sleep(5)

        async with served(silent) as port, asyncio.TaskGroup() as group:
            transport = HttpTransport()
            task = group.create_task(transport.send(post(f"http://127.0.0.1:{port}/"), 1))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await transport.close()

    asyncio.run(run())


def test_cancellation_while_the_answer_arrives_drops_the_connection() -> None:
    async def run() -> bytes:
        arrived, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def dripping(reader: Reader, writer: Writer) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
            await writer.drain()
            arrived.set()
            ended.set_result(await reader.read(1))

        async with served(dripping) as port, asyncio.TaskGroup() as group:
            transport = HttpTransport()
            task = group.create_task(transport.send(post(f"http://127.0.0.1:{port}/"), 30))
            await arrived.wait()
            await asyncio.sleep(0.1)
            task.cancel()
            left = await asyncio.wait_for(ended, 5)
            await transport.close()
            return bytes(left)

    assert asyncio.run(run()) == b""


def test_closing_while_a_request_is_on_its_way_is_unknown_and_a_later_send_works() -> None:
    async def run() -> tuple[Received | Fault, Received | Fault]:
        arrived = asyncio.Event()

        async def first_silent(reader: Reader, writer: Writer) -> None:
            await read_request(reader)
            if not arrived.is_set():
                arrived.set()
                await asyncio.sleep(5)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

        async with served(first_silent) as port, asyncio.TaskGroup() as group:
            transport, request = HttpTransport(), post(f"http://127.0.0.1:{port}/")
            task = group.create_task(transport.send(request, 30))
            await arrived.wait()
            await transport.close()
            lost = await task
            later = await transport.send(request, 5)
            await transport.close()
            return lost, later

    lost, later = asyncio.run(run())
    assert (fault(lost).kind, fault(lost).outcome) == ("reset", "unknown")
    assert isinstance(later, Received)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:1/", {"x-api-key": f"{CANARY}\n"}),
        ("127.0.0.1:1/v1", {}),
        ("ftp://127.0.0.1:1/v1", {}),
        ("http://[broken/v1", {}),
    ],
)
def test_a_request_that_is_no_http_is_rejected_in_words_without_the_key(url: str, headers: dict[str, str]) -> None:
    async def run() -> Received | Fault:
        transport = HttpTransport()
        got = await transport.send(post(url, headers), 5)
        await transport.close()
        return got

    got = fault(asyncio.run(run()))
    assert (got.kind, got.outcome) == ("invalid_request", "rejected")


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    got = exchange(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
    assert isinstance(got, Received)


def poured(
    script: Script, *, timeout_s: float = 5.0, size_max: int = 10**9, **settings: float
) -> tuple[Received | Fault, bytes]:
    async def run() -> tuple[Received | Fault, bytes]:
        async with served(script) as port:
            transport, kept = HttpTransport(**settings), bytearray()  # type: ignore[arg-type]
            try:
                request = WireRequest("GET", f"http://127.0.0.1:{port}/f?key={CANARY}", {}, b"")
                return await transport.fetch(request, kept.extend, timeout_s, size_max), bytes(kept)
            finally:
                await transport.close()

    return asyncio.run(run())


def test_a_fetched_body_goes_to_its_writer_and_not_into_memory() -> None:
    body = bytes(range(256)) * 4_000
    got, kept = poured(answering(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body), body_max=1_000)
    assert isinstance(got, Received)
    assert (got.status, got.body, kept) == (200, b"", body)


@pytest.mark.parametrize(
    "head", [b"content-length: 100\r\n\r\nhalf of", b"transfer-encoding: chunked\r\n\r\n7\r\nhalf of\r\n"]
)
def test_a_fetched_body_that_ends_early_is_cut(head: bytes) -> None:
    got, kept = poured(answering(b"HTTP/1.1 200 OK\r\n" + head))
    assert (fault(got).kind, kept) == ("cut", b"half of")


def test_a_fetched_body_over_its_size_is_malformed_and_stops() -> None:
    got, kept = poured(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000), size_max=100_000)
    assert fault(got).kind == "malformed"
    assert len(kept) <= 100_000


def test_an_error_in_the_place_of_a_file_is_received_with_its_body_and_nothing_is_written() -> None:
    got, kept = poured(answering(b"HTTP/1.1 404 No\r\ncontent-length: 4\r\n\r\ngone"))
    assert isinstance(got, Received)
    assert (got.status, got.body, kept) == (404, b"gone", b"")


def test_a_fetch_has_a_second_more_for_every_megabyte_that_came() -> None:
    async def generous(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(6):
            writer.write(bytes(400_000))
            await writer.drain()
            await asyncio.sleep(0.15)

    got, kept = poured(generous, timeout_s=0.3)
    assert isinstance(got, Received), got
    assert len(kept) == 2_400_000


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"])
def test_a_fetch_from_a_server_that_falls_silent_is_a_timeout(head: bytes) -> None:
    got, _ = poured(answering(head, then_wait_s=5), timeout_s=0.3)
    assert (fault(got).kind, fault(got).outcome) == ("timeout", "unknown")


def test_a_fetch_from_a_closed_port_was_not_sent() -> None:
    async def run() -> Received | Fault:
        transport = HttpTransport()
        request = WireRequest("GET", f"http://127.0.0.1:{closed_port()}/", {}, b"")
        got = await transport.fetch(request, bytearray().extend, 5, 10)
        await transport.close()
        return got

    assert fault(asyncio.run(run())).outcome == "not_sent"


def test_what_the_writer_raises_passes_through_a_fetch() -> None:
    async def run() -> None:
        def full(_: bytes) -> None:
            raise OSError(28, "No space left on device")

        async with served(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")) as port:
            transport = HttpTransport()
            with pytest.raises(OSError, match="No space"):
                await transport.fetch(WireRequest("GET", f"http://127.0.0.1:{port}/", {}, b""), full, 5, 10)
            await transport.close()

    asyncio.run(run())

"""The client of batch jobs against a real socket: faults, pages, downloads, and a key that never leaves its place."""

from __future__ import annotations

import asyncio
import re
import stat
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packmule.core.calls import Fault, Received
from packmule.core.jobs import JobRow, JobSeen
from packmule.core.ports import JobsFace
from packmule.providers import anthropic, gemini, openai
from packmule.providers.codec import Codec
from packmule.providers.jobs import JobsClient
from packmule.providers.jobs_codec import JobsCodec
from packmule.providers.keys import Key
from packmule.providers.registry import JOBS
from packmule.providers.transport import HttpTransport
from tests.providers import test_anthropic_jobs, test_gemini_jobs, test_openai_jobs
from tests.providers.sockets import reset, served
from tests.providers.test_decode_anything import VALUES

CANARY = "sk-CANARY-2718281828459"
MARKER = "pm3k9x2m4q7z"
VENDORS: dict[str, tuple[Codec, JobsCodec]] = {
    "openai": (openai.codec(openai.OPENAI), JOBS["openai"]),
    "anthropic": (anthropic.CODEC, JOBS["anthropic"]),
    "gemini": (gemini.CODEC, JOBS["gemini"]),
}
BATCHES = {
    "openai": test_openai_jobs.batch,
    "anthropic": test_anthropic_jobs.batch,
    "gemini": test_gemini_jobs.operation,
}

Step = Callable[[JobsFace], Awaitable[Any]]
STEPS: dict[str, Step] = {
    "create": lambda jobs: jobs.create(MARKER, b"{}", "file-1"),
    "poll": lambda jobs: jobs.poll("batches/b1"),
    "cancel": lambda jobs: jobs.cancel("batches/b1"),
    "jobs": lambda jobs: jobs.jobs(0.0),
}


class Desk:
    """A server that keeps what it was asked and answers by the beginning of the path, in pieces where wanted."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = answers
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.port = 0

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head[:-4].split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = first.split(" ")
            self.asked.append((method, path, headers, body))
            answer = self.answers.get(path, self.answers.get("any"))
            await self._say(answer(path) if callable(answer) else answer, writer)

    async def _say(self, answer: Any, writer: Writer) -> None:
        status, said = answer if isinstance(answer, tuple) else (200, answer)
        if said is None:
            await asyncio.sleep(5)
        pieces = said if isinstance(said, list) else [said if isinstance(said, bytes) else msgspec.json.encode(said)]
        size = sum(len(piece) for piece in pieces if piece is not RESET)
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, size + (100 if RESET in pieces else 0)))
        for piece in pieces:
            if piece is RESET:
                reset(writer)
                return
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02 if len(pieces) > 1 else 0)


RESET = object()


def run(vendor: str, desk: Desk, step: Step, *, key: str = CANARY) -> Any:
    async def go() -> Any:
        async with served(desk) as desk.port:
            transport = HttpTransport()
            codec, jobs = VENDORS[vendor]
            base = f"http://127.0.0.1:{desk.port}/v1"
            try:
                client = JobsClient("m-1", codec, jobs, base_url=base, key=Key(key), transport=transport)
                return await step(client)
            finally:
                await transport.close()

    return asyncio.run(go())


def fault(got: Any) -> Fault:
    assert isinstance(got, Fault), got
    assert CANARY not in repr(got)
    return got


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", ["create", "poll"])
def test_a_job_is_made_and_looked_at_with_the_key_in_its_header(vendor: str, name: str) -> None:
    desk = Desk(any=BATCHES[vendor]())
    got = run(vendor, desk, STEPS[name])
    assert isinstance(got, JobSeen)
    assert got.state == "running"
    ((method, _, headers, _),) = desk.asked
    assert method == ("POST" if name == "create" else "GET")
    assert any(CANARY in value for value in headers.values())
    assert all(CANARY not in path for _, path, _, _ in desk.asked)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("answer", "kind", "outcome"),
    [
        ((401, {"error": {"message": f"bad key {CANARY}", "type": "authentication_error"}}), "auth", "rejected"),
        ((429, {"error": {"message": "slow"}}), "rate_limit", "rejected"),
        ((404, b"<html>nothing here</html>"), "invalid_request", "rejected"),
        ((500, {"error": {"message": "x"}}), "server_error", "unknown"),
        ((302, b""), "redirect", "unknown"),
        ((200, b"<html>log in</html>"), "malformed", "unknown"),
        ((200, b""), "malformed", "unknown"),
        ((200, b"[]"), "malformed", "unknown"),
        ((200, [b'{"id": "b1"', RESET]), "cut", "unknown"),
    ],
)
def test_every_step_has_an_honest_fault(vendor: str, name: str, answer: Any, kind: str, outcome: str) -> None:
    got = fault(run(vendor, Desk(any=answer), STEPS[name]))
    assert (got.kind, got.outcome) == (kind, outcome)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", STEPS)
def test_a_server_that_is_not_there_was_not_sent_to(vendor: str, name: str) -> None:
    async def go() -> Any:
        codec, jobs = VENDORS[vendor]
        transport = HttpTransport()
        client = JobsClient("m-1", codec, jobs, base_url="http://127.0.0.1:1/v1", key=Key(CANARY), transport=transport)
        got = await STEPS[name](client)
        await transport.close()
        return got

    assert fault(asyncio.run(go())).outcome == "not_sent"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_create_whose_answer_names_no_job_may_have_made_one(vendor: str) -> None:
    assert fault(run(vendor, Desk(any={"object": "something"}), STEPS["create"])).outcome == "unknown"


def test_an_upload_brings_the_file_in_and_gives_its_id() -> None:
    desk = Desk(any={"id": "file-7", "object": "file"})
    content = b'{"custom_id":"a-0"}\n' * 50_000
    assert run("openai", desk, lambda jobs: jobs.upload(MARKER, content)) == "file-7"
    ((method, path, headers, body),) = desk.asked
    assert (method, path) == ("POST", "/v1/files")
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert content in body


def pages_by_id(path: str) -> Any:
    """Three pages of two; the jobs are named after their second, the newest first."""
    after = re.search(r"after(?:_id)?=b(\d+)", path)
    top = int(after[1]) - 1 if after else 6
    vendor = "anthropic" if "messages" in path else "openai"
    entries = []
    for n in (top, top - 1):
        at = {"created_at": f"2026-11-22T00:00:0{n}Z"} if vendor == "anthropic" else {"created_at": n}
        entries.append(BATCHES[vendor](id=f"b{n}", **at))
    return {"data": entries, "has_more": top > 2, "last_id": f"b{top - 1}"}


def test_a_listing_reads_all_pages() -> None:
    for vendor in ("openai", "anthropic"):
        desk = Desk(any=pages_by_id)
        got = run(vendor, desk, STEPS["jobs"])
        assert [job.id for job in got] == ["b6", "b5", "b4", "b3", "b2", "b1"]
        assert len(desk.asked) == 3


def test_a_listing_by_age_stops_at_the_first_page_that_is_older() -> None:
    desk = Desk(any=pages_by_id)
    got = run("openai", desk, lambda jobs: jobs.jobs(4.9))
    assert [job.id for job in got] == ["b6", "b5", "b4"]
    assert len(desk.asked) == 2


def test_a_listing_in_no_order_reads_all_pages_and_leaves_out_what_is_older() -> None:
    def pages(path: str) -> Any:
        old, new = test_gemini_jobs.operation(), test_gemini_jobs.operation()
        old["metadata"]["createTime"] = "2020-01-01T00:00:00Z"
        if "pageToken=two" not in path:
            return {"operations": [old], "nextPageToken": "two"}
        return {"operations": [old, new]}

    got = run("gemini", Desk(any=pages), lambda jobs: jobs.jobs(1_700_000_000.0))
    assert len(got) == 1
    assert got[0].created_s > 1_700_000_000


def test_a_page_that_fails_fails_the_listing() -> None:
    def second_fails(path: str) -> Any:
        return (500, {"error": {"message": "x"}}) if "after=" in path else pages_by_id(path)

    assert fault(run("openai", Desk(any=second_fails), STEPS["jobs"])).kind == "server_error"


def test_a_listing_without_an_end_is_a_fault() -> None:
    same = {"data": [test_openai_jobs.batch()], "has_more": True}
    assert "does not end" in fault(run("openai", Desk(any=same), STEPS["jobs"])).message


def ended(vendor: str, desk: Desk) -> JobSeen:
    results = {
        "openai": ("o", "e"),
        "anthropic": (f"http://127.0.0.1:{desk.port}/v1/results",),
        "gemini": ("batches/b1",),
    }
    return JobSeen("batches/b1", "ended", marker=MARKER, results=results[vendor])


def fetching(vendor: str, desk: Desk, into: Path) -> Step:
    async def step(jobs: JobsFace) -> tuple[Fault | None, list[JobRow]]:
        got = await jobs.fetch(ended(vendor, desk), into)
        return got, list(jobs.rows(into)) if got is None else []

    return step


def row(vendor: str, name: str) -> bytes:
    value = (
        test_openai_jobs.answered(name, 200, test_openai_jobs.completion())
        if vendor == "openai"
        else {"custom_id": name, "result": {"type": "succeeded", "message": test_anthropic_jobs.message()}}
    )
    return msgspec.json.encode(value)


def test_both_files_of_a_job_become_one_and_no_row_is_glued_to_another(tmp_path: Path) -> None:
    expired = b'{"custom_id":"a-2","response":null,"error":{"code":"batch_expired","message":"x"}}'
    files = {"/v1/files/o/content": row("openai", "a-0") + b"\n" + row("openai", "a-1"), "/v1/files/e/content": expired}
    desk = Desk(**files)
    got, found = run("openai", desk, fetching("openai", desk, tmp_path / "results"))
    assert got is None
    assert [entry.custom_id for entry in found] == ["a-0", "a-1", "a-2"]
    assert found[2].unbilled
    assert all(any(CANARY in value for value in headers.values()) for _, _, headers, _ in desk.asked)


def test_results_behind_an_address_are_fetched_from_it(tmp_path: Path) -> None:
    desk = Desk(**{"/v1/results": row("anthropic", "a-0") + b"\n"})
    got, found = run("anthropic", desk, fetching("anthropic", desk, tmp_path / "results"))
    assert (got, [entry.custom_id for entry in found]) == (None, ["a-0"])


def test_results_inside_a_job_are_fetched_with_it(tmp_path: Path) -> None:
    body = test_gemini_jobs.ended(test_gemini_jobs.answer("one"), test_gemini_jobs.answer("two"))
    desk = Desk(**{"/v1beta/batches/b1": body})
    got, found = run("gemini", desk, fetching("gemini", desk, tmp_path / "results"))
    assert (got, [entry.custom_id for entry in found]) == (None, [f"{MARKER}-0", f"{MARKER}-1"])


def test_a_job_that_ended_without_results_gives_an_empty_file(tmp_path: Path) -> None:
    into = tmp_path / "results"
    assert run("openai", Desk(), lambda jobs: jobs.fetch(JobSeen("b1", "expired"), into)) is None
    assert into.read_bytes() == b""


def test_a_fetched_file_is_for_its_owner_only(tmp_path: Path) -> None:
    desk = Desk(any=row("openai", "a-0"))
    run("openai", desk, fetching("openai", desk, tmp_path / "results"))
    assert stat.S_IMODE((tmp_path / "results").stat().st_mode) == 0o600


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, [b'{"custom_id": "a-0"', RESET]), "cut"),
        ((404, {"error": {"message": "gone"}}), "invalid_request"),
        ((500, {"error": {"message": f"{CANARY}"}}), "server_error"),
        ((302, b""), "redirect"),
    ],
)
def test_results_come_whole_or_not_at_all(tmp_path: Path, vendor: str, answer: Any, kind: str) -> None:
    desk, into = Desk(any=answer), tmp_path / "results"
    into.write_bytes(b"what was there before")
    got, _ = run(vendor, desk, fetching(vendor, desk, into))
    assert fault(got).kind == kind
    assert into.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_when_the_second_file_is_cut_the_first_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    files = {"/v1/files/o/content": row("openai", "a-0"), "/v1/files/e/content": [b"{", RESET]}
    desk = Desk(**files)
    got, found = run("openai", desk, fetching("openai", desk, tmp_path / "results"))
    assert (fault(got).kind, found, list(tmp_path.iterdir())) == ("cut", [], [])


def test_an_address_of_results_on_another_server_gets_no_request_and_no_key(tmp_path: Path) -> None:
    async def both() -> tuple[Fault | None, list[Any]]:
        elsewhere = Desk(any=b"")
        async with served(elsewhere) as port:
            transport = HttpTransport()
            base = "http://127.0.0.1:1/v1"
            client = JobsClient("m", *VENDORS["anthropic"], base_url=base, key=Key(CANARY), transport=transport)
            seen = JobSeen("b1", "ended", results=(f"http://127.0.0.1:{port}/v1/results",))
            got = await client.fetch(seen, tmp_path / "results")
            await transport.close()
            return got, elsewhere.asked

    got, asked = asyncio.run(both())
    assert fault(got).kind == "redirect"
    assert (asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("at", [1, 10, len(CANARY) - 1])
def test_a_key_in_the_results_is_struck_out_wherever_the_pieces_part_it(tmp_path: Path, at: int) -> None:
    data = row("anthropic", "a-0").replace(b"Hi!", b"Hi " + CANARY.encode() + b" and on")
    middle = data.index(CANARY.encode()) + at
    desk = Desk(any=[data[:middle], data[middle : middle + 1], data[middle + 1 :]])
    into = tmp_path / "results"
    got, found = run("anthropic", desk, fetching("anthropic", desk, into))
    assert got is None
    assert into.read_bytes() == data.replace(CANARY.encode(), b"***") + b"\n"
    assert len(found) == 1


def test_a_key_that_a_job_tells_back_is_struck_out() -> None:
    body = test_openai_jobs.batch(metadata={"packmule": CANARY}, status="failed")
    assert CANARY not in repr(run("openai", Desk(any=body), STEPS["poll"]))


def test_no_room_for_the_results_is_a_fault_in_words(tmp_path: Path) -> None:
    desk = Desk(any=row("openai", "a-0"))
    got, _ = run("openai", desk, fetching("openai", desk, tmp_path / "no such folder" / "results"))
    assert fault(got).kind == "local"
    assert "No such file" in got.message


def test_a_job_larger_than_an_answer_may_be_is_read_all_the_same() -> None:
    body = test_gemini_jobs.ended(test_gemini_jobs.answer("x" * 2_000_000))

    async def go() -> JobSeen | Fault:
        desk = Desk(any=body)
        async with served(desk) as port:
            transport = HttpTransport(body_max=1_000_000)
            base = f"http://127.0.0.1:{port}"
            client = JobsClient("m", *VENDORS["gemini"], base_url=base, key=None, transport=transport)
            got = await client.poll("batches/b1")
            await transport.close()
            return got

    got = asyncio.run(go())
    assert isinstance(got, JobSeen), got
    assert got.state == "ended"


NAMES = st.sampled_from(
    [
        *"id status data has_more errors line code message metadata packmule request_counts total created_at".split(),
        *"processing_status results_url cancel_initiated_at name done error response inlinedResponses state".split(),
        *"operations nextPageToken batchStats requestCount createTime displayName custom_id result type key".split(),
        *"body status_code output output_file_id error_file_id succeeded failed".split(),
    ]
)
ANYTHING = st.recursive(
    st.one_of(VALUES, st.sampled_from(["failed", "ended", "completed", "succeeded", "errored", "JOB_STATE_FAILED"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)


@pytest.mark.parametrize("vendor", VENDORS)
@settings(deadline=None)
@given(value=ANYTHING)
def test_any_json_is_a_job_or_a_fault_and_can_be_stored(vendor: str, value: Any) -> None:
    jobs = VENDORS[vendor][1]
    received = Received(200, {}, msgspec.json.encode(value))
    for got in (jobs.seen(received), jobs.cancelled("b", received)):
        assert isinstance(got, JobSeen | Fault)
        msgspec.json.encode(got)
    msgspec.json.encode(jobs.listed(received))


@pytest.mark.parametrize("vendor", VENDORS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    first=ANYTHING,
    second=ANYTHING,
    kind=st.sampled_from(["succeeded", "errored", "expired", "canceled", "?"]),
    cut=st.integers(0, 40),
    noise=st.binary(max_size=40),
)
def test_any_file_gives_rows_that_the_realtime_codec_reads(
    tmp_path: Path, vendor: str, first: Any, second: Any, kind: str, cut: int, noise: bytes
) -> None:
    codec, jobs = VENDORS[vendor]
    result = {"type": kind, "message": first, "error": second}
    line = {"custom_id": "a-0", "response": {"status_code": 200, "body": first}, "error": second, "result": result}
    other = {"custom_id": second, "response": first, "error": {"code": first, "message": second}, "result": second}
    values: list[Any] = [line, other, first]
    if vendor == "gemini":
        named = [
            {"metadata": {"key": "a-0"}, "response": first},
            {"metadata": {"key": "a-1"}, "error": {"code": second}},
        ]
        values = [test_gemini_jobs.ended(*named, {"metadata": second, "response": first, "error": first}, second)]
    data = b"\n".join([*(msgspec.json.encode(value) for value in values), noise if vendor != "gemini" else b""])
    (tmp_path / "results").write_bytes(data)
    whole = list(jobs.rows(tmp_path / "results"))
    (tmp_path / "results").write_bytes(data[: len(data) - cut])
    assert whole or first is None or kind == "?"
    for found in [*whole, *jobs.rows(tmp_path / "results")]:
        msgspec.json.encode(found)
        assert found.custom_id
        assert (found.received is None) == bool(found.unbilled)
        if found.received is not None:
            codec.decode(found.received)

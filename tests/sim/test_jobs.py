"""Batch jobs over HTTP, a whole life of them: the vendors' own clients are the judges."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as gemini_errors

from packmule.core.calls import Received, WireRequest
from packmule.sim.bill import Billed, read_bill, read_lines
from packmule.sim.inprocess import SimTransport
from packmule.sim.provider import SimProvider
from packmule.sim.scenario import Jobs, Scenario
from packmule.sim.server import Server
from packmule.testing.simloop import SimClock, run_simulated
from tests.cli.command import CLEAN
from tests.sim.harness import box, chat
from tests.sim.job_clients import (
    CLIENTS,
    AnthropicClient,
    Client,
    GeminiClient,
    OpenAIClient,
    chat_line,
    served,
    wait_for,
)

each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.vendor)


def texts(count: int) -> dict[str, str]:
    return {
        f"row-{n}": f"Summarize in one line: River {n} is long. It has {n + 9} bridges, and river {n} is cold."
        for n in range(count)
    }


def asked(server: Server, path: str, body: Any = None) -> tuple[int, Any]:
    """A GET, or a POST of JSON, without any client."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET" if body is None else "POST", path, body and json.dumps(body))
    got = connection.getresponse()
    found = got.status, json.loads(got.read())
    connection.close()
    return found


def lines_of(server: Server) -> list[Billed]:
    return server.provider.memory_bill.lines


@each_client
def test_a_job_is_worked_on_and_every_row_is_found_by_its_name(client: type[Client]) -> None:
    with served(client, "[jobs]\nduration_s = 1") as (server, mine):
        job = mine.create(texts(12))
        assert mine.state(job) in {"validating", "in_progress", "JOB_STATE_PENDING", "JOB_STATE_RUNNING"}
        assert lines_of(server) == []
        assert mine.ended(job) in {"completed", "ended", "JOB_STATE_SUCCEEDED"}
        rows = mine.lines(job)
        assert sorted(name for name, _, _ in rows) == sorted(texts(12))
        for name, outcome, text in rows:
            assert (outcome, text) == ("succeeded", mine.answer(texts(12)[name]))


@each_client
def test_a_job_costs_half_of_what_calls_cost_and_each_line_once(client: type[Client]) -> None:
    with served(client) as (server, mine):
        job = mine.create(texts(9))
        mine.ended(job)
        for _ in range(3):
            mine.lines(job)
        for text in texts(9).values():
            mine.answer(text)
        inside = [line for line in lines_of(server) if line.job]
        outside = [line for line in lines_of(server) if not line.job]
        assert sorted(line.custom_id for line in inside) == sorted(texts(9))
        assert {(line.job, line.vendor, line.outcome) for line in inside} == {(job, client.vendor, "answered")}
        assert 2 * sum(line.cost_pico for line in inside) == sum(line.cost_pico for line in outside) > 0


@each_client
def test_results_come_in_any_order_but_with_gemini_in_theirs(client: type[Client]) -> None:
    with served(client) as (_, mine):
        job = mine.create(texts(30))
        mine.ended(job)
        names = [name for name, _, _ in mine.lines(job)]
        assert (names == list(texts(30))) == (client is GeminiClient)


@each_client
def test_the_list_has_every_job_newest_first_over_all_pages(client: type[Client]) -> None:
    with served(client) as (_, mine):
        made = [mine.create(texts(2), f"mark-{n}") for n in range(5)]
        assert mine.listed() == made[::-1]


@each_client
def test_a_job_cancelled_at_once_does_nothing_and_costs_nothing(client: type[Client]) -> None:
    with served(client, "[jobs]\nduration_s = 5") as (server, mine):
        job = mine.create(texts(6))
        mine.cancel(job)
        assert mine.state(job) in {"cancelling", "canceling", "JOB_STATE_RUNNING"}
        assert mine.ended(job) in {"cancelled", "ended", "JOB_STATE_CANCELLED"}
        assert {outcome for _, outcome, _ in mine.lines(job)} <= {"canceled"}
        assert lines_of(server) == []


@each_client
def test_what_was_done_before_a_cancellation_is_kept_and_billed(client: type[Client]) -> None:
    with served(client, "[jobs]\nduration_s = 1.5") as (server, mine):
        job = mine.create(texts(40))
        wait_for(lambda: mine.state(job), lambda state: state not in {"validating", "JOB_STATE_PENDING"})
        asyncio.run(asyncio.sleep(0.6))
        mine.cancel(job)
        mine.ended(job)
        rows = mine.lines(job)
        done = {name for name, outcome, _ in rows if outcome == "succeeded"}
        assert len(rows) == 40
        assert 0 < len(done) < 40
        assert {line.custom_id for line in lines_of(server)} == done


def test_openai_counts_while_it_works_and_refuses_to_cancel_what_is_over() -> None:
    with served(OpenAIClient, "[jobs]\nduration_s = 0.5") as (_, mine):
        job = mine.create(texts(10))
        counts = []

        def look() -> str:
            batch = mine.sdk.batches.retrieve(job)
            assert batch.request_counts is not None
            counts.append((batch.request_counts.total, batch.request_counts.completed))
            return batch.status

        wait_for(look, lambda status: status == "completed")
        assert counts[0] == (0, 0)
        assert counts[-1] == (10, 10)
        assert sorted(counts) == counts
        with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
            mine.cancel(job)


def test_openai_keeps_files_until_they_are_deleted() -> None:
    with served(OpenAIClient) as (_, mine):
        content = chat_line("a", "Say a word.") + b"\n"
        made = mine.sdk.files.create(file=("sub-Ä 1.jsonl", content), purpose="batch")
        assert (made.filename, made.bytes, made.purpose) == ("sub-Ä 1.jsonl", len(content), "batch")
        other = mine.sdk.files.create(file=("two.jsonl", content), purpose="batch")
        assert [file.id for file in mine.sdk.files.list(limit=1)] == [other.id, made.id]
        assert [file.id for file in mine.sdk.files.list(order="asc")] == [made.id, other.id]
        assert mine.sdk.files.content(made.id).content == content
        job = mine.create_of([content])
        mine.ended(job)
        results = list(mine.sdk.files.list(purpose="batch_output"))
        assert [file.id for file in results] == [mine.sdk.batches.retrieve(job).output_file_id]
        assert mine.sdk.files.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError) as caught:
            mine.sdk.files.retrieve(made.id)
        assert (caught.value.param, caught.value.code) == ("id", None)


def test_anthropic_tells_no_counts_and_no_results_before_the_end() -> None:
    with served(AnthropicClient, "[jobs]\nduration_s = 1.5") as (_, mine):
        job = mine.create(texts(4))
        asyncio.run(asyncio.sleep(0.3))
        seen = mine.sdk.messages.batches.retrieve(job)
        assert (seen.request_counts.processing, seen.request_counts.succeeded, seen.results_url) == (4, 0, None)
        with pytest.raises(anthropic.NotFoundError):
            mine.sdk.get(f"/v1/messages/batches/{job}/results", cast_to=object)
        mine.ended(job)
        seen = mine.sdk.messages.batches.retrieve(job)
        assert (seen.request_counts.processing, seen.request_counts.succeeded) == (0, 4)
        assert seen.ended_at is not None
        with pytest.raises(anthropic.BadRequestError, match="has ended"):
            mine.cancel(job)


def test_anthropic_pages_backwards_from_a_cursor() -> None:
    with served(AnthropicClient) as (_, mine):
        made = [mine.create(texts(1)) for _ in range(5)][::-1]
        page = mine.sdk.messages.batches.list(before_id=made[3], limit=2)
        assert ([job.id for job in page.data], page.has_more) == ([made[1], made[2]], True)


def test_anthropic_looks_at_parameters_only_while_it_works() -> None:
    with served(AnthropicClient) as (server, mine):
        odd: Any = {"custom_id": "odd", "params": {"model": "small", "max_tokens": 0, "messages": []}}
        fine: Any = {
            "custom_id": "fine",
            "params": {"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": "Say a word."}]},
        }
        job = mine.sdk.messages.batches.create(requests=[odd, fine]).id
        mine.ended(job)
        rows = {name: (outcome, text) for name, outcome, text in mine.lines(job)}
        assert rows["fine"][0] == "succeeded"
        assert rows["odd"][0] == "errored"
        assert "max_tokens" in rows["odd"][1]
        assert [line.custom_id for line in lines_of(server)] == ["fine"]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "at least 1 item"),
        ([{"custom_id": "a b", "params": {}}], r"requests.0.custom_id: String should match pattern"),
        ([{"custom_id": "x" * 65, "params": {}}], r"requests.0.custom_id"),
        ([{"custom_id": "a", "params": {}}] * 2, r"requests.1.custom_id: 'a' is not unique"),
        ([{"custom_id": "a"}], r"requests.0.params: Field required"),
    ],
)  # fmt: skip
def test_anthropic_looks_at_names_when_a_job_is_made(requests: Any, said: str) -> None:
    with served(AnthropicClient) as (_, mine):
        with pytest.raises(anthropic.BadRequestError, match=said):
            mine.sdk.messages.batches.create(requests=requests)
        assert mine.listed() == []


def test_gemini_reads_what_its_client_sends_and_echoes_what_stood_beside() -> None:
    with served(GeminiClient) as (server, mine):
        source: Any = [
            {
                "contents": "The kettle leaks.",
                "metadata": {"key": "k", "owner": "me"},
                "config": {"system_instruction": "Be short.", "max_output_tokens": 7, "temperature": 0.5},
            }
        ]
        job = mine.sdk.batches.create(model="small", src=source, config={"display_name": "sub-1"})
        assert (job.display_name, job.model) == ("sub-1", "models/small")
        mine.ended(job.name or "")
        dest = mine.sdk.batches.get(name=job.name or "").dest
        assert dest is not None
        assert dest.inlined_responses is not None
        row = dest.inlined_responses[0]
        assert row.metadata == {"key": "k", "owner": "me"}
        assert row.response is not None
        assert row.response.usage_metadata is not None
        assert row.response.usage_metadata.candidates_token_count == lines_of(server)[0].tokens_out <= 7


def test_gemini_keeps_no_files_and_reads_a_creation_as_one_message() -> None:
    with served(GeminiClient) as (server, mine):
        with pytest.raises(gemini_errors.ClientError, match="keeps no files"):
            mine.sdk.batches.create(model="small", src="files/abc", config={"display_name": "x"})
        with pytest.raises(gemini_errors.ClientError, match="keeps no files"):
            mine.sdk.files.upload(file=Path(__file__), config={"mime_type": "text/plain"})
        body = {"batch": {"display_name": "x", "input_config": {"requests": {"requests": [{"request": {"odd": 1}}]}}}}
        status, said = asked(server, "/v1beta/models/small:batchGenerateContent", body)
        assert (status, said["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert "requests[0]" in said["error"]["message"]
        assert asked(server, "/v1beta/batches") == (200, {})


@each_client
def test_what_is_not_there_is_not_found(client: type[Client]) -> None:
    with served(client) as (_, mine):
        missing = {"openai": "batch_x", "anthropic": "msgbatch_x", "gemini": "batches/x"}[client.vendor]
        for ask in (mine.state, mine.cancel):
            with pytest.raises((openai.NotFoundError, anthropic.NotFoundError, gemini_errors.ClientError)) as caught:
                ask(missing)
            assert "404" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": None}, "input_file_id"),
        ({"metadata": {"tags": ["a"]}}, "metadata.tags"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata"),
    ],
)
def test_openai_refuses_a_creation_it_cannot_read(given: dict[str, Any], param: str) -> None:
    body = {"input_file_id": "file-x", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with box() as server:
        status, said = asked(server, "/v1/batches", body | given)
        assert (status, said["error"]["param"]) == (400, param)
        assert server.provider.log["jobs"] == []


def test_the_log_says_how_many_jobs_were_made_and_that_nobody_called() -> None:
    with served(OpenAIClient) as (server, mine):
        for size in (4, 4, 2):
            mine.create(texts(size))
        status, log = asked(server, "/sim/log")
        assert (status, log) == (200, server.provider.log)
        assert [job["lines"] for job in log["jobs"]] == [4, 4, 2]
        assert log["asked"] == {"upload": 3, "create": 3}
        mine.answer("Say a word.")
        assert server.provider.log["asked"]["call"] == 1


def test_jobs_and_their_bill_outlive_the_providers_own_process(tmp_path: Path) -> None:
    bill = tmp_path / "bill.jsonl"
    slow = "[jobs]\nduration_s = 1"
    with served(OpenAIClient, slow, bill) as (_, mine):
        job = mine.create(texts(8))
        kept = mine.sdk.files.create(file=("kept.jsonl", chat_line("a", "Say a word.")), purpose="batch").id
    with served(OpenAIClient, slow, bill) as (_, mine):
        assert mine.ended(job) == "completed"
        rows = mine.lines(job)
        assert mine.sdk.files.retrieve(kept).filename == "kept.jsonl"
        mine.sdk.files.delete(kept)
    with served(OpenAIClient, slow, bill) as (_, mine):
        assert mine.lines(job) == rows
        assert kept not in [file.id for file in mine.sdk.files.list()]
        assert mine.create(texts(8)) != job
    assert [(line.job, line.custom_id) for line in read_lines(bill)] == [(job, name) for name in texts(8)]


def test_a_job_is_there_again_after_the_provider_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "packmule", "sim", "serve", "--port", "0", "--bill", str(tmp_path / "bill.jsonl")]
    found: list[Any] = []
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=CLEAN)
        assert process.stdout is not None
        mine = AnthropicClient(process.stdout.readline().strip())
        try:
            job = found[0] if found else mine.create(texts(3))
            found.append(job if not found else mine.ended(job) and len(mine.lines(job)))
        finally:
            mine.sdk.close()
            process.kill()
            process.communicate()
    assert found[1] == read_bill(tmp_path / "bill.jsonl").calls == 3


def test_a_line_that_was_billed_before_the_provider_died_is_not_billed_again(tmp_path: Path) -> None:
    bill = tmp_path / "bill.jsonl"
    with served(OpenAIClient, "", bill) as (_, mine):
        mine.ended(mine.create(texts(8)))
    whole = bill.read_bytes()
    bill.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]) + b'{"request":"tor')
    with served(OpenAIClient, "", bill) as (_, mine):
        mine.listed()
    assert bill.read_bytes() == whole
    assert read_bill(bill).calls == 8


def test_a_job_that_nobody_asks_for_is_billed_all_the_same(tmp_path: Path) -> None:
    bill = tmp_path / "bill.jsonl"
    with served(AnthropicClient, "[jobs]\nduration_s = 0.1\ncreate_lost = 1", bill) as (_, mine):
        with pytest.raises(anthropic.APIConnectionError):
            mine.create(texts(3))
        asyncio.run(asyncio.sleep(0.2))
    assert read_bill(bill).calls == 3


def test_a_job_says_what_a_call_says_byte_for_byte_without_a_socket_and_in_virtual_time() -> None:
    body = chat("Write about the river Douro.").replace(b": ", b":").replace(b", ", b",")
    line = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":' + body + b"}"

    async def run() -> tuple[dict[str, Any], dict[str, Any], SimProvider, float]:
        loop = asyncio.get_running_loop()
        clock = SimClock(loop)
        provider = SimProvider(Scenario(jobs=Jobs(duration_s=7200)), clock)
        transport = SimTransport(provider, clock)

        async def send(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
            got = await transport.send(WireRequest(method, f"http://box/v1{path}", {"Content-Type": kind}, body), 5)
            assert isinstance(got, Received)
            assert got.status == 200, got.body
            return got.body

        said = b"--b\r\nContent-Disposition: form-data; name="
        form = said + b'"purpose"\r\n\r\nbatch\r\n' + said + b'"file"; filename="f"\r\n\r\n' + line + b"\r\n--b--\r\n"
        file = json.loads(await send("POST", "/files", form, "multipart/form-data; boundary=b"))["id"]
        order = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        job = json.loads(await send("POST", "/batches", json.dumps(order).encode()))["id"]
        while json.loads(await send("GET", f"/batches/{job}?x=1"))["status"] != "completed":
            await clock.sleep(60)
        files = json.loads(await send("GET", "/files?purpose=batch_output&limit=5"))["data"]
        row = json.loads(await send("GET", f"/files/{files[0]['id']}/content"))
        call = json.loads(await send("POST", "/chat/completions", body))
        return row["response"]["body"], call, provider, loop.time()

    inside, outside, provider, took_s = run_simulated(run())
    assert inside["choices"] == outside["choices"]
    assert inside["usage"] == outside["usage"]
    assert 7200 <= took_s < 7300
    one, other = provider.memory_bill.lines
    assert (one.request, one.cost_pico * 2) == (other.request, other.cost_pico)

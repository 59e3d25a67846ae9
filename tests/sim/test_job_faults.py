"""Everything that can go wrong with a job goes wrong on demand, and is billed as it should be."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as gemini_errors

from packmule.sim.bill import Billed
from packmule.sim.server import Server
from tests.sim.job_clients import CLIENTS, AnthropicClient, Client, GeminiClient, OpenAIClient, chat_line, served

each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.vendor)
BROKEN = (openai.APIError, anthropic.APIError, gemini_errors.APIError, httpx2.HTTPError)


def texts(count: int) -> dict[str, str]:
    return {
        f"row-{n}": f"Summarize in one line: River {n} is long. It has {n + 9} bridges, and river {n} is cold."
        for n in range(count)
    }


def lines_of(server: Server) -> list[Billed]:
    return server.provider.memory_bill.lines


def outcomes(rows: list[tuple[str, str, str]]) -> Counter[str]:
    return Counter(outcome for _, outcome, _ in rows)


@each_client
def test_a_job_that_misses_its_window_expires_with_what_was_done(client: type[Client]) -> None:
    with served(client, "[jobs]\nduration_s = 0.4\nwindow_s = 0.2") as (server, mine):
        job = mine.create(texts(40))
        assert mine.ended(job) in {"expired", "ended", "JOB_STATE_EXPIRED"}
        counts = outcomes(mine.lines(job))
        if client is GeminiClient:
            assert (counts, lines_of(server)) == (Counter(), [])
        else:
            assert set(counts) == {"succeeded", "expired"}
            assert (counts.total(), counts["succeeded"]) == (40, len(lines_of(server)))


@each_client
def test_lines_that_expire_or_fail_are_told_and_not_billed(client: type[Client]) -> None:
    with served(client, "[jobs]\nexpire_share = 0.3\nerror_share = 0.3") as (server, mine):
        job = mine.create(texts(60))
        assert mine.ended(job) in {"expired", "ended", "JOB_STATE_SUCCEEDED"}
        counts = outcomes(mine.lines(job))
        assert min(counts["succeeded"], counts["expired"], counts["errored"]) > 5
        assert (counts.total(), counts["succeeded"]) == (60, len(lines_of(server)))


@each_client
def test_a_job_of_nothing_but_failures_tells_them_all(client: type[Client]) -> None:
    with served(client, "[jobs]\nerror_share = 1") as (server, mine):
        job = mine.create(texts(3))
        assert mine.ended(job) in {"completed", "ended", "JOB_STATE_SUCCEEDED"}
        assert outcomes(mine.lines(job)) == {"errored": 3}
        assert lines_of(server) == []


@each_client
def test_poison_fails_its_own_line_alone(client: type[Client]) -> None:
    with served(client, '[[fail]]\npattern = "river 3"\nstatus = 400') as (server, mine):
        job = mine.create(texts(6))
        mine.ended(job)
        rows = {name: (outcome, text) for name, outcome, text in mine.lines(job)}
        assert rows.pop("row-3") == ("errored", "The content of this request cannot be processed.")
        assert {outcome for outcome, _ in rows.values()} == {"succeeded"}
        assert len(lines_of(server)) == 5


@each_client
@pytest.mark.parametrize("manner", ["refuse", "name", "anonymous"])
def test_one_bad_line_fails_a_whole_job_in_three_manners(client: type[Client], manner: str) -> None:
    with served(client, f'[jobs]\nbad_line = "{manner}"\n[[fail]]\npattern = "river 3"') as (server, mine):
        good = mine.create({name: text for name, text in texts(6).items() if name != "row-3"})
        mine.ended(good)
        assert outcomes(mine.lines(good)) == {"succeeded": 5}
        if manner == "refuse" or client is AnthropicClient:
            with pytest.raises(BROKEN) as caught:
                mine.create(texts(6))
            assert ("requests.3" in str(caught.value)) == (manner == "name")
            assert mine.listed() == [good]
        else:
            bad = mine.create(texts(6))
            assert mine.ended(bad) in {"failed", "JOB_STATE_FAILED"}
            assert mine.lines(bad) == []
            assert named_line(mine, bad) == (3 if manner == "name" else None)
        assert len(lines_of(server)) == 5


def named_line(mine: Client, job: str) -> int | None:
    """The 0-based number of the line that a failed job names."""
    if isinstance(mine, OpenAIClient):
        errors = mine.sdk.batches.retrieve(job).errors
        assert errors is not None
        assert errors.data is not None
        return None if errors.data[0].line is None else errors.data[0].line - 1
    assert isinstance(mine, GeminiClient)
    body = mine.sdk._api_client.request("get", job, {}, None).body
    assert '"code":3' in (body or "")
    return 3 if "Request 3:" in (body or "") else None


OPENAI_LINES = [
    (b"{invalid", "invalid_json_line", None),
    (b'{"custom_id":"b"}', "missing_required_parameter", "method"),
    (chat_line("b", "x").replace(b"chat/completions", b"embeddings"), "invalid_url", "url"),
    (chat_line("b", "x", stream=True), "streaming_unsupported", "body.stream"),
    (chat_line("b", "x", model="large"), "mismatched_model", "body.model"),
    (chat_line("b", "x", model=None), "invalid_request", "body.model"),
    (chat_line("a", "x"), "duplicate_custom_id", "custom_id"),
]


@pytest.mark.parametrize(("line", "code", "param"), OPENAI_LINES, ids=[code for _, code, _ in OPENAI_LINES])
def test_openai_fails_a_job_for_a_line_it_cannot_read_and_names_it(line: bytes, code: str, param: str | None) -> None:
    with served(OpenAIClient) as (server, mine):
        job = mine.create_of([chat_line("a", "Say a word."), line, chat_line("c", "Say a word.")])
        assert mine.ended(job) == "failed"
        errors = mine.sdk.batches.retrieve(job).errors
        assert errors is not None
        assert [(one.code, one.line, one.param) for one in errors.data or []] == [(code, 2, param)]
        assert lines_of(server) == []


def test_openai_fails_a_job_whose_file_is_not_there_and_refuses_a_file_that_is_none() -> None:
    with served(OpenAIClient) as (_, mine):
        order: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        job = mine.sdk.batches.create(input_file_id="file-none", **order).id
        assert mine.ended(job) == "failed"
        errors = mine.sdk.batches.retrieve(job).errors
        assert errors is not None
        assert "Cannot find file file-none" in str(errors.data)
        for content, purpose, said in (
            (b"", "batch", "jsonl"),
            (b"{x}", "batch", "jsonl"),
            (b"{}", "vision", "purpose"),
        ):
            with pytest.raises(openai.BadRequestError, match=said):
                mine.sdk.files.create(file=("a.jsonl", content), purpose=purpose)  # type: ignore[arg-type]


@each_client
def test_a_new_job_cannot_be_seen_for_a_while(client: type[Client]) -> None:
    with served(client, "[jobs]\nlag_s = 1.5\nduration_s = 0.1") as (_, mine):
        job = mine.create(texts(2))
        assert mine.listed() == []
        with pytest.raises(BROKEN):
            mine.state(job)
        asyncio.run(asyncio.sleep(1.6))
        assert mine.listed() == [job]
        assert mine.ended(job)


@each_client
def test_a_creation_can_be_refused_before_and_lost_after(client: type[Client]) -> None:
    with served(client, "[jobs]\ncreate_refused = 1") as (server, mine):
        with pytest.raises(BROKEN) as caught:
            mine.create(texts(2))
        assert "429" in str(caught.value)
        assert (mine.listed(), server.provider.log["jobs"]) == ([], [])
    with served(client, "[jobs]\ncreate_lost = 1") as (server, mine):
        with pytest.raises(BROKEN):
            mine.create(texts(2))
        (job,) = mine.listed()
        mine.ended(job)
        assert outcomes(mine.lines(job)) == {"succeeded": 2}


@each_client
def test_a_download_breaks_off_and_may_be_whole_the_next_time(client: type[Client]) -> None:
    with served(client, "seed = 2\n[jobs]\ncut_downloads = 0.6") as (server, mine):
        job = mine.create(texts(5))
        asyncio.run(asyncio.sleep(0.3))
        seen = set()
        for _ in range(30):
            try:
                seen.add(len(mine.lines(job)))
            except BROKEN:
                seen.add(-1)
        assert seen == {-1, 5}
        assert len(lines_of(server)) == 5


@each_client
def test_rows_are_missing_doubled_and_foreign_but_billed_once_each(client: type[Client]) -> None:
    with served(client, "[jobs]\nmissing_rows = 0.2\nduplicate_rows = 0.2\nforeign_rows = 0.2") as (server, mine):
        job = mine.create(texts(60))
        mine.ended(job)
        names = Counter(name for name, _, _ in mine.lines(job))
        own = {name: count for name, count in names.items() if name in texts(60)}
        assert 30 < len(own) < 60
        assert set(own.values()) == {1, 2}
        assert len(names) > len(own)
        assert sorted(line.custom_id for line in lines_of(server)) == sorted(texts(60))


@each_client
def test_somebody_elses_jobs_are_there_from_the_start_and_on_nobodys_bill(client: type[Client]) -> None:
    with served(client, "[jobs]\ndecoys = [7, 7]") as (server, mine):
        others = mine.listed()
        assert len(others) == 2
        job = mine.create(texts(7))
        assert mine.listed()[0] == job
        for one in others:
            mine.ended(one)
            rows = mine.lines(one)
            assert outcomes(rows) == {"succeeded": 7}
        mine.ended(job)
        assert {line.job for line in lines_of(server)} == {job}
        assert [made["id"] for made in server.provider.log["jobs"]] == [job]


@each_client
@pytest.mark.parametrize("fault", ["status_503", "status_500", "reset_before", "malformed", "cut"])
def test_a_request_about_a_job_fails_like_any_other_and_the_job_goes_on(client: type[Client], fault: str) -> None:
    with served(client, f"seed = 5\n[faults]\n{fault} = 0.5") as (server, mine):
        while not server.provider.log["jobs"]:
            try:
                mine.create(texts(3))
            except (*BROKEN, ValueError):
                continue
        job = server.provider.log["jobs"][0]["id"]
        asyncio.run(asyncio.sleep(0.3))
        states, failed = set(), 0
        for _ in range(30):
            try:
                states.add(mine.state(job))
            except (*BROKEN, ValueError):
                failed += 1
        assert failed
        assert states <= {"completed", "ended", "JOB_STATE_SUCCEEDED"}
        assert states
        assert len([line for line in lines_of(server) if line.job == job]) == 3


def test_jobs_take_different_times_when_there_is_a_spread() -> None:
    with served(AnthropicClient, "[jobs]\nduration_s = 0.2\nsigma = 1") as (_, mine):
        made = [mine.create({"a": f"Say {n} words."}) for n in range(6)]
        took = set()
        for job in made:
            mine.ended(job)
            seen = mine.sdk.messages.batches.retrieve(job)
            assert seen.ended_at is not None
            took.add(round((seen.ended_at - seen.created_at).total_seconds(), 2))
        assert len(took) > 3


def test_the_seed_decides_what_becomes_of_a_line() -> None:
    def run(seed: int) -> list[tuple[str, str, str]]:
        with served(AnthropicClient, f"seed = {seed}\n[jobs]\nerror_share = 0.5\nmissing_rows = 0.2") as (_, mine):
            job = mine.create(texts(30))
            mine.ended(job)
            return mine.lines(job)

    assert run(1) == run(1)
    assert Counter(run(1)) != Counter(run(2))


def test_usage_faults_are_told_in_rows_too() -> None:
    with served(AnthropicClient, "[faults]\nusage_zero = 1") as (server, mine):
        job = mine.create(texts(2))
        mine.ended(job)
        for row in mine.sdk.messages.batches.results(job):
            assert row.result.type == "succeeded"
            assert (row.result.message.usage.input_tokens, row.result.message.usage.service_tier) == (0, "batch")
        assert {line.outcome for line in lines_of(server)} == {"usage_zero"}
        assert all(line.cost_pico > 0 for line in lines_of(server))

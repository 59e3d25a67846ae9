"""Every fault is the same whether the box stands behind a socket or inside the process, and so is the bill."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from packmule.core.calls import Fault, Received
from packmule.engine.clock import RealClock
from packmule.providers.transport import HttpTransport
from packmule.sim.bill import Totals, read_bill
from packmule.sim.inprocess import SimTransport
from packmule.sim.provider import SimProvider
from packmule.sim.scenario import parse_scenario
from packmule.sim.server import serve
from packmule.testing.simloop import SimLoop
from tests.sim.harness import chat, chat_request

TEXT = "Say something about the weather in Porto. It rains in winter and the sea is rough."
TIMEOUT_S = 0.7

EXPECTED = {
    "status_429": ("status", 429, 0),
    "status_500": ("status", 500, 1),
    "status_502": ("status", 502, 0),
    "status_503": ("status", 503, 0),
    "status_504": ("status", 504, 1),
    "status_529": ("status", 529, 0),
    "timeout": ("timeout", None, 1),
    "drip": ("timeout", None, 1),
    "reset_after": ("reset", None, 1),
    "reset_before": ("reset", None, 0),
    "cut": ("cut", None, 1),
    "wrong_length": ("broken json", 200, 1),
    "malformed": ("broken json", 200, 1),
    "html": ("broken json", 200, 0),
    "usage_missing": ("answer", 200, 1),
    "usage_zero": ("answer", 200, 1),
    "usage_negative": ("answer", 200, 1),
    "usage_wrong": ("answer", 200, 1),
    "usage_oversized": ("answer", 200, 1),
}


def kind_of(got: Received | Fault) -> tuple[str, int | None]:
    if isinstance(got, Fault):
        assert got.outcome == ("not_sent" if got.kind == "connect" else "unknown")
        return got.kind, None
    if got.status != 200:
        assert json.loads(got.body)["error"]["message"]
        return "status", got.status
    try:
        json.loads(got.body)
    except ValueError:
        return "broken json", 200
    return "answer", 200


def over_http(toml: str, path: Path) -> tuple[Received | Fault, Totals]:
    async def run() -> Received | Fault:
        server = await serve(parse_scenario(toml), "127.0.0.1", 0, path, RealClock())
        transport = HttpTransport()
        got = await transport.send(chat_request(TEXT, f"http://127.0.0.1:{server.port}"), TIMEOUT_S)
        await transport.close()
        await server.close()
        return got

    got = asyncio.run(run())
    return got, read_bill(path)


def in_process(toml: str) -> tuple[Received | Fault, Totals]:
    async def run() -> tuple[Received | Fault, Totals]:
        provider = SimProvider(parse_scenario(toml), RealClock())
        got = await SimTransport(provider, RealClock()).send(chat_request(TEXT), TIMEOUT_S)
        return got, provider.memory_bill.totals

    return asyncio.run(run())


@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_is_seen_and_billed_alike_on_both_faces(fault: str, tmp_path: Path) -> None:
    toml = f"[faults]\n{fault} = 1\n[latency]\ndrip_bytes_per_s = 100"
    kind, status, calls = EXPECTED[fault]
    http, http_bill = over_http(toml, tmp_path / "bill.jsonl")
    inner, inner_bill = in_process(toml)
    assert kind_of(http) == kind_of(inner) == (kind, status)
    assert http_bill.calls == inner_bill.calls == calls
    assert http_bill.cost_pico == inner_bill.cost_pico
    assert http_bill.by_outcome == inner_bill.by_outcome == ({fault: 1} if calls else {})


def test_a_whole_answer_has_the_same_bytes_and_headers_on_both_faces(tmp_path: Path) -> None:
    http, _ = over_http("[limits]\nrequests_per_min = 5", tmp_path / "bill.jsonl")
    inner, _ = in_process("[limits]\nrequests_per_min = 5")
    assert isinstance(http, Received)
    assert isinstance(inner, Received)
    assert json.loads(http.body) | {"created": 0} == json.loads(inner.body) | {"created": 0}
    assert inner.headers.items() <= http.headers.items()


def told(fault: str) -> tuple[tuple[int, int] | None, Totals]:
    got, bill = in_process(f"[faults]\n{fault} = 1")
    assert isinstance(got, Received)
    usage = json.loads(got.body).get("usage")
    return (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None, bill


def test_wrong_usage_is_told_as_it_is_named() -> None:
    assert told("usage_missing")[0] is None
    assert told("usage_zero")[0] == (0, 0)
    negative, bill = told("usage_negative")
    assert negative == (-bill.tokens_in, -bill.tokens_out)
    for fault in ("usage_wrong", "usage_oversized"):
        said, bill = told(fault)
        assert said == (bill.tokens_in, bill.tokens_out)


def test_a_429_says_when_to_come_back() -> None:
    got, _ = in_process("[faults]\nstatus_429 = 1")
    assert isinstance(got, Received)
    assert int(got.headers["retry-after"]) >= 1


def test_an_outage_begins_and_ends_by_the_clock_and_waits_cost_no_real_time() -> None:
    loop = SimLoop(1)

    class Clock(RealClock):
        def now_s(self) -> float:
            return loop.time()

    async def run() -> list[tuple[str, int | None]]:
        toml = "[latency]\nmedian_s = 100\nsigma = 0\n[[outages]]\nfrom_s = 140\nto_s = 250\nkind = 'status_529'"
        provider = SimProvider(parse_scenario(toml), Clock())
        transport = SimTransport(provider, Clock())
        seen = []
        for number in range(5):
            seen.append(kind_of(await transport.send(chat_request(f"{TEXT} {number}"), 600)))
            await asyncio.sleep(45)
        seen.append(kind_of(await transport.send(chat_request(TEXT), 50)))
        return seen

    try:
        seen = loop.run_until_complete(run())
    finally:
        loop.close()
    assert seen[0] == ("answer", 200)
    assert ("status", 529) in seen
    assert seen[-2:] == [("answer", 200), ("timeout", None)]


def test_refused_is_a_connection_that_was_never_made() -> None:
    got, bill = in_process("[[outages]]\nfrom_s = 0\nto_s = 9\nkind = 'refused'")
    assert isinstance(got, Fault)
    assert (got.kind, got.outcome, bill.calls) == ("connect", "not_sent", 0)


def test_poison_always_fails_and_is_never_billed() -> None:
    for _ in range(3):
        got, bill = in_process("[[fail]]\npattern = 'rough'\nstatus = 400")
        assert (kind_of(got), bill.calls) == (("status", 400), 0)


def test_faults_and_answers_follow_the_seed_and_the_bytes() -> None:
    async def run(seed: int, order: list[int]) -> dict[int, list[str]]:
        provider = SimProvider(
            parse_scenario(f"seed = {seed}\n[faults]\nstatus_500 = 0.3\nreset_after = 0.2"), RealClock()
        )
        transport = SimTransport(provider, RealClock())
        seen: dict[int, list[str]] = {}
        for number in order:
            got = await transport.send(chat_request(f"Write about river {number}."), 5)
            text = json.loads(got.body)["choices"][0]["message"]["content"] if kind_of(got)[0] == "answer" else ""
            seen.setdefault(number, []).append(f"{kind_of(got)} {text}")
        return seen

    numbers = [*range(20), *range(20)]
    first = asyncio.run(run(1, numbers))
    assert first == asyncio.run(run(1, list(reversed(numbers))))
    assert first != asyncio.run(run(2, numbers))
    assert any(one.startswith("('status") != two.startswith("('status") for one, two in first.values())


def test_the_hostile_manner_gives_every_kind_of_careless_answer() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["a", "n"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    async def run() -> set[str]:
        provider = SimProvider(parse_scenario("manner = 'hostile'"), RealClock())
        seen = set()
        for number in range(150):
            got = await provider.handle(
                "POST", "/v1/chat/completions", {}, chat(f"{TEXT} {number}", response_format=form)
            )
            choice = json.loads(got.body)["choices"][0]
            seen.add(_manner(choice))
        return seen

    assert asyncio.run(run()) >= {"refusal", "empty", "cut", "prose", "wrong type", "missing", "fits"}


def _manner(choice: dict[str, object]) -> str:
    message = choice["message"]
    assert isinstance(message, dict)
    if message["refusal"]:
        return "refusal"
    if choice["finish_reason"] == "length":
        return "cut"
    if not message["content"]:
        return "empty"
    try:
        value = json.loads(message["content"])
    except ValueError:
        return "prose"
    if value.keys() != {"a", "n"}:
        return "missing"
    return "fits" if isinstance(value["a"], str) and isinstance(value["n"], int) else "wrong type"


def test_the_inventing_manner_changes_some_values_and_copies_quotes_carelessly() -> None:
    quote = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "quote": {"type": "string"}},
        "required": ["path", "quote"],
    }
    facts = {name: {"type": kind} for name, kind in (("city", "string"), ("year", "integer"), ("fee", "number"))}
    schema = {
        "type": "object",
        "properties": {"facts": {"type": "object", "properties": facts}, "said": {"type": "array", "items": quote}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    lines = ["City: Sankt-Gallen", "Year: 1987", "Fee: 1,250.50 EUR"]
    truth = {"city": "Sankt-Gallen", "year": 1987, "fee": 1250.5}

    async def run() -> list[Any]:
        provider = SimProvider(parse_scenario("manner = 'inventing'"), RealClock())
        answers = []
        for number in range(120):
            text = "Extract the facts.\n```\n" + "\n".join([*lines, f"Page {number}"]) + "\n```"
            got = await provider.handle("POST", "/v1/chat/completions", {}, chat(text, response_format=form))
            answers.append(json.loads(json.loads(got.body)["choices"][0]["message"]["content"]))
        return answers

    answers = asyncio.run(run())
    again = asyncio.run(run())
    assert answers == again
    changed = [name for answer in answers for name, value in answer["facts"].items() if value != truth[name]]
    assert set(changed) == set(truth)
    assert 30 <= len(changed) <= 120
    kept = [
        (entry["quote"], name)
        for answer in answers
        for entry in answer["said"]
        if answer["facts"][name := entry["path"].removeprefix("facts.")] == truth[name]
    ]
    true = sum(quote in lines for quote, _ in kept)
    assert 0.25 * len(kept) < true < 0.75 * len(kept)

"""The bill is the judge: every billed call stands in it once, before the answer leaves."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from packmule.core.calls import Received
from packmule.engine.clock import RealClock
from packmule.providers.transport import HttpTransport
from packmule.sim.bill import Billed, FileBill, PriceList, read_bill
from packmule.sim.provider import SimProvider
from packmule.sim.scenario import Scenario, parse_scenario
from packmule.sim.server import serve
from tests.sim.harness import chat, chat_request


def a_line(number: int) -> Billed:
    return Billed(f"{number:064x}", "openai", "small", 10, 5, 12_500_000, 0, "answered")


def test_lines_that_come_together_are_all_on_disk_when_they_return(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bill.jsonl"

    async def run() -> None:
        bill = FileBill(path)
        await asyncio.gather(*(bill.record(a_line(number)) for number in range(500)))
        assert read_bill(path).calls == 500
        await bill.record(a_line(500))
        assert read_bill(path).calls == 501
        bill.close()

    asyncio.run(run())
    assert read_bill(path).cost_pico == 501 * 12_500_000


def test_a_bill_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    for number in range(3):
        bill = FileBill(path)
        asyncio.run(bill.record(a_line(number)))
        bill.close()
    assert read_bill(path).calls == 3


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    bill = FileBill(path)
    asyncio.run(bill.record(a_line(1)))
    bill.close()
    with path.open("ab") as file:
        file.write(b'{"request":"00')
    assert read_bill(path).calls == 1


def test_a_bill_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert read_bill(tmp_path / "none").calls == 0


def test_a_cancelled_record_is_written_all_the_same_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"

    async def run() -> None:
        bill = FileBill(path)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bill.record(a_line(number))) for number in range(50)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
        await bill.record(a_line(50))
        assert read_bill(path).calls == 51
        bill.close()

    asyncio.run(run())


def test_the_bill_is_what_was_answered_plus_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    scenario = parse_scenario(
        "seed = 3\n[faults]\nreset_after = 0.2\nreset_before = 0.1\nstatus_429 = 0.1\nstatus_500 = 0.1"
    )
    sent: Counter[str] = Counter()

    async def run() -> tuple[int, int]:
        server = await serve(scenario, "127.0.0.1", 0, path, RealClock())
        transport = HttpTransport()

        async def one(number: int) -> tuple[int, int] | None:
            text = f"Say something about the sea, number {number % 40}."
            sent[sha256(chat(text)).hexdigest()] += 1
            got = await transport.send(chat_request(text, f"http://127.0.0.1:{server.port}"), 10)
            if not isinstance(got, Received) or got.status != 200:
                return None
            usage = json.loads(got.body)["usage"]
            return usage["prompt_tokens"], usage["completion_tokens"]

        told = [usage for usage in await asyncio.gather(*map(one, range(200))) if usage]
        await transport.close()
        await server.close()
        return len(told), sum(250_000 * tokens_in + 2_000_000 * tokens_out for tokens_in, tokens_out in told)

    answered, cost = asyncio.run(run())
    bill = read_bill(path)
    assert bill.by_outcome["answered"] == answered
    assert set(bill.by_outcome) == {"answered", "reset_after", "status_500"}
    assert bill.calls == answered + bill.by_outcome["reset_after"] + bill.by_outcome["status_500"] < 200
    assert bill.cost_pico > cost > 0
    assert bill.by_request <= sent
    assert sum(bill.cost_by_request.values()) == bill.cost_pico


@pytest.mark.parametrize(
    ("vendor", "model", "cost"),
    [
        ("openai", "small", 250_000 * 1000 + 2_000_000 * 100),
        ("openai", "sim/small", 250_000 * 1000 + 2_000_000 * 100),
        ("anthropic", "large", 3_000_000 * 1000 + 15_000_000 * 100),
        ("openai", "sim/other", 250_000 * 1000 + 2_000_000 * 100),
        ("gemini", "never-heard-of", 250_000 * 1000 + 2_000_000 * 100),
        ("openai", "gpt-5-mini", 250_000 * 1000 + 2_000_000 * 100),
        ("anthropic", "claude-haiku-4-5", 1_000_000 * 1000 + 5_000_000 * 100),
    ],
)
def test_prices_are_those_of_the_box_or_of_the_public_list(vendor: str, model: str, cost: int) -> None:
    assert PriceList(Scenario()).cost_pico(vendor, model, 1000, 100) == cost


def test_a_price_of_the_scenario_wins() -> None:
    prices = PriceList(
        parse_scenario('[prices."openai/gpt-5-mini"]\ninput = 1\noutput = 0.5\n[prices.small]\ninput = 0\noutput = 0')
    )
    assert prices.cost_pico("openai", "gpt-5-mini", 1000, 100) == 1_000_000 * 1000 + 500_000 * 100
    assert prices.cost_pico("openai", "small", 1000, 100) == 0


def test_without_a_file_the_bill_is_in_memory() -> None:
    async def run() -> SimProvider:
        provider = SimProvider(Scenario(), RealClock())
        await provider.handle("POST", "/v1/chat/completions", {}, chat("Say something."))
        return provider

    assert asyncio.run(run()).memory_bill.totals.calls == 1

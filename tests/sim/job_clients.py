"""One face over the three official clients' batch calls: what a job is made of, and what comes back by name."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anthropic
import openai
from google import genai
from google.genai import types

from packmule.sim.server import Server
from tests.sim.harness import box

OUTCOMES = ("succeeded", "errored", "expired", "canceled")
PATIENCE_S = 20


T = TypeVar("T")
C = TypeVar("C", bound="OpenAIClient | AnthropicClient | GeminiClient")


def wait_for(ask: Callable[[], T], done: Callable[[T], bool]) -> T:
    """Poll until it is so."""
    until = time.monotonic() + PATIENCE_S
    while not done(got := ask()):
        assert time.monotonic() < until, f"still {got}"
        time.sleep(0.02)
    return got


@contextmanager
def served(client: type[C], toml: str = "", bill: Path | None = None) -> Iterator[tuple[Server, C]]:
    """A provider and one vendor's client of it."""
    with box(toml, bill) as server:
        mine = client(f"http://127.0.0.1:{server.port}")
        try:
            yield server, mine
        finally:
            mine.sdk.close()


def chat_line(name: str, text: str, **settings: Any) -> bytes:
    body = {"model": "small", "messages": [{"role": "user", "content": text}], **settings}
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}).encode()


class OpenAIClient:
    vendor = "openai"

    def __init__(self, base: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{base}/v1", api_key="key", max_retries=0, timeout=10)

    def create(self, texts: dict[str, str], mark: str = "mark") -> str:
        return self.create_of([chat_line(name, text) for name, text in texts.items()], mark)

    def create_of(self, lines: Sequence[bytes], mark: str = "mark") -> str:
        file = self.sdk.files.create(file=(f"{mark}.jsonl", b"\n".join(lines)), purpose="batch")
        return self.sdk.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"mark": mark},
        ).id

    def state(self, job: str) -> str:
        return self.sdk.batches.retrieve(job).status

    def ended(self, job: str) -> str:
        running = {"validating", "in_progress", "finalizing", "cancelling"}
        return wait_for(lambda: self.state(job), lambda state: state not in running)

    def cancel(self, job: str) -> None:
        self.sdk.batches.cancel(job)

    def listed(self) -> list[str]:
        return [job.id for job in self.sdk.batches.list(limit=2)]

    def lines(self, job: str) -> list[tuple[str, str, str]]:
        """(custom id, outcome, text or reason) of every row, in the order they came."""
        batch = self.sdk.batches.retrieve(job)
        files = [name for name in (batch.output_file_id, batch.error_file_id) if name]
        rows = [json.loads(line) for name in files for line in self.sdk.files.content(name).text.splitlines()]
        return [self._row(row) for row in rows]

    def _row(self, row: dict[str, Any]) -> tuple[str, str, str]:
        if row["error"] is not None:
            outcome = {"batch_expired": "expired", "batch_cancelled": "canceled"}[row["error"]["code"]]
            return row["custom_id"], outcome, row["error"]["message"]
        body = row["response"]["body"]
        if row["response"]["status_code"] != 200:
            return row["custom_id"], "errored", body["error"]["message"]
        return row["custom_id"], "succeeded", body["choices"][0]["message"]["content"]

    def answer(self, text: str) -> str:
        message: Any = {"role": "user", "content": text}
        got = self.sdk.chat.completions.create(model="small", messages=[message])
        return got.choices[0].message.content or ""


class AnthropicClient:
    vendor = "anthropic"

    def __init__(self, base: str) -> None:
        self.sdk = anthropic.Anthropic(base_url=base, api_key="key", max_retries=0, timeout=10)

    def create(self, texts: dict[str, str], mark: str = "mark") -> str:
        del mark
        requests: Any = [
            {"custom_id": name, "params": {"max_tokens": 200, "messages": [{"role": "user", "content": text}],
                                           "model": "small"}}
            for name, text in texts.items()
        ]  # fmt: skip
        return self.sdk.messages.batches.create(requests=requests).id

    def state(self, job: str) -> str:
        return self.sdk.messages.batches.retrieve(job).processing_status

    def ended(self, job: str) -> str:
        return wait_for(lambda: self.state(job), lambda state: state == "ended")

    def cancel(self, job: str) -> None:
        self.sdk.messages.batches.cancel(job)

    def listed(self) -> list[str]:
        return [job.id for job in self.sdk.messages.batches.list(limit=2)]

    def lines(self, job: str) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        for row in self.sdk.messages.batches.results(job):
            text = ""
            if row.result.type == "succeeded":
                text = "".join(block.text for block in row.result.message.content if block.type == "text")
            elif row.result.type == "errored":
                text = row.result.error.error.message
            found.append((row.custom_id, row.result.type, text))
        return found

    def answer(self, text: str) -> str:
        got = self.sdk.messages.create(model="small", max_tokens=200, messages=[{"role": "user", "content": text}])
        return "".join(block.text for block in got.content if block.type == "text")


class GeminiClient:
    vendor = "gemini"

    def __init__(self, base: str) -> None:
        self.sdk = genai.Client(api_key="key", http_options=types.HttpOptions(base_url=base, timeout=10_000))

    def create(self, texts: dict[str, str], mark: str = "mark") -> str:
        source: Any = [
            {"contents": [{"role": "user", "parts": [{"text": text}]}], "metadata": {"key": name}}
            for name, text in texts.items()
        ]
        return self.sdk.batches.create(model="small", src=source, config={"display_name": mark}).name or ""

    def state(self, job: str) -> str:
        state = self.sdk.batches.get(name=job).state
        assert state is not None
        return state.value

    def ended(self, job: str) -> str:
        running = {"JOB_STATE_PENDING", "JOB_STATE_RUNNING"}
        return wait_for(lambda: self.state(job), lambda state: state not in running)

    def cancel(self, job: str) -> None:
        self.sdk.batches.cancel(name=job)

    def listed(self) -> list[str]:
        return [job.name or "" for job in self.sdk.batches.list(config={"page_size": 2})]

    def lines(self, job: str) -> list[tuple[str, str, str]]:
        dest = self.sdk.batches.get(name=job).dest
        found = []
        for row in (dest.inlined_responses or []) if dest else []:
            name = (row.metadata or {}).get("key", "")
            if row.response is not None:
                found.append((name, "succeeded", row.response.text or ""))
            else:
                assert row.error is not None
                outcome = {1: "canceled", 4: "expired"}.get(row.error.code or 0, "errored")
                found.append((name, outcome, row.error.message or ""))
        return found

    def answer(self, text: str) -> str:
        return self.sdk.models.generate_content(model="small", contents=text).text or ""


Client = OpenAIClient | AnthropicClient | GeminiClient
CLIENTS: tuple[type[Client], ...] = (OpenAIClient, AnthropicClient, GeminiClient)

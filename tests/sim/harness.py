"""A provider on a real socket, and what its answers are compared with."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packmule.core.calls import WireRequest
from packmule.engine.clock import RealClock
from packmule.sim.scenario import Scenario, parse_scenario
from packmule.sim.server import Server, serve


@contextmanager
def box(toml: str | Scenario = "", bill: Path | None = None) -> Iterator[Server]:
    """A server in a thread of its own, for clients that block."""
    scenario = toml if isinstance(toml, Scenario) else parse_scenario(toml)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(serve(scenario, "127.0.0.1", 0, bill, RealClock()), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def chat(text: str, **settings: Any) -> bytes:
    return json.dumps({"model": "small", "messages": [{"role": "user", "content": text}], **settings}).encode()


def chat_request(text: str, base: str = "http://box", **settings: Any) -> WireRequest:
    headers = {"content-type": "application/json", "authorization": "Bearer key"}
    return WireRequest("POST", f"{base}/v1/chat/completions", headers, chat(text, **settings))

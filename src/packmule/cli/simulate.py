"""`packmule sim serve`: a provider in a box, over HTTP, on this machine only."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from packmule import compose
from packmule.cli.say import say, tell

sim = typer.Typer(help="The embedded provider.", no_args_is_help=True)


@sim.callback()
def _group() -> None:
    """The embedded provider."""


@sim.command("serve")
def serve_(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 chooses a free one.")] = 8021,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Latency, limits, faults, manner (TOML).")] = None,
    bill: Annotated[Path | None, typer.Option("--bill", help="Where it keeps what it billed (JSON lines).")] = None,
) -> None:
    """Speak the OpenAI, Anthropic and Gemini protocols on 127.0.0.1 until Ctrl+C."""
    import asyncio  # noqa: PLC0415 - a seventh of what --help takes

    asyncio.run(_serve(port, scenario, bill))


async def _serve(port: int, scenario: Path | None, bill: Path | None) -> None:
    import asyncio  # noqa: PLC0415 - as above

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await compose.serve_sim(port, scenario, bill, _ready, stopped)


def _ready(port: int) -> None:
    tell(f"http://127.0.0.1:{port}")
    say("OpenAI at /v1, Anthropic at /v1/messages, Gemini at /v1beta; Ctrl+C stops it")

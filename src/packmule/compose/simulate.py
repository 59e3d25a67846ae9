"""The embedded provider as a server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from packmule.engine.clock import RealClock


async def serve_sim(
    port: int, scenario: Path | None, bill: Path | None, on_ready: Callable[[int], None], stopped: asyncio.Event
) -> None:
    """Serve on 127.0.0.1 until `stopped`; `on_ready` is told the port."""
    from packmule.sim.scenario import Scenario, load_scenario  # noqa: PLC0415 - only when it is served
    from packmule.sim.server import serve  # noqa: PLC0415

    loaded = load_scenario(scenario) if scenario is not None else Scenario()
    server = await serve(loaded, "127.0.0.1", port, bill_path=bill, clock=RealClock())
    on_ready(server.port)
    await stopped.wait()
    await server.close()

"""The real parts of the world: stores, clocks, transports, prices, endpoints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from packmule.core.batch import Limits
from packmule.core.money import FREE, Price, flat
from packmule.core.ports import Clock, Endpoint, Transport
from packmule.engine.clock import PacedClock, RealClock
from packmule.providers.prices import PriceBook
from packmule.providers.registry import canonical_model, resolve
from packmule.providers.transport import HttpTransport
from packmule.store import Store

_stores: dict[Path, Store] = {}
_stores_lock = threading.Lock()


def open_store(path: Path, *, create: bool = True) -> Store:
    """The store at `path`: one writing connection a process, so the same path gives the same store."""
    with _stores_lock:
        real = path.resolve()
        store = _stores.get(real)
        if store is None or not real.exists():
            store = _stores[real] = Store(path, create=create)
        return store


def is_simulated(model: str, base_url: str | None = None) -> bool:
    """Does this model only pretend, for free? At an address of its own it is somebody's server."""
    return model.startswith("sim/") and base_url is None


class Parts:
    """Endpoints of one batch, made when first asked for; their transports are closed together."""

    def __init__(
        self,
        limits: Limits,
        env: Mapping[str, str],
        *,
        base_url: str | None = None,
        models: tuple[str, ...] = (),
        sim_scenario: Path | None = None,
        unsent: bool = False,
        clock: Clock | None = None,
        pace: float = 1.0,
    ) -> None:
        self.pace = pace
        self.clock: Clock = clock or (RealClock() if pace == 1 else PacedClock(pace))
        self._env = env
        self._base_url = base_url
        self._sim_scenario = sim_scenario
        self._unsent = unsent
        self._endpoints: dict[str, Endpoint] = {}
        self._transports: dict[str, Transport] = {}
        self._prices = PriceBook(_overrides(limits, models), self.clock.utc_us())

    def endpoint(self, model: str) -> Endpoint:
        """The endpoint of a model by any of its names. Raises ModelUnknown, KeyMissing, PriceUnknown."""
        found = self._endpoints.get(model)
        if found is None:
            found = self._endpoints[model] = resolve(
                model,
                env=self._env,
                base_url=self._base_url,
                prices=self._prices,
                transport_for=self._transport,
                unsent=self._unsent,
            )
        return found

    def canonical(self, model: str) -> str:
        """The full name of a model."""
        return canonical_model(model, self._env, self._base_url)

    def _transport(self, provider: str) -> Transport:
        kind = "sim" if provider == "sim" and self._base_url is None else "http"
        if kind not in self._transports:
            self._transports[kind] = self._simulated() if kind == "sim" else HttpTransport()
        return self._transports[kind]

    def _simulated(self) -> Transport:
        from packmule.sim.inprocess import SimTransport  # noqa: PLC0415 - only when a sim/ model is asked
        from packmule.sim.provider import SimProvider  # noqa: PLC0415
        from packmule.sim.scenario import Scenario, load_scenario  # noqa: PLC0415

        scenario = load_scenario(self._sim_scenario) if self._sim_scenario is not None else Scenario()
        return SimTransport(SimProvider(scenario, self.clock), self.clock)

    async def close(self) -> None:
        """Give every connection back."""
        for transport in self._transports.values():
            await transport.close()


def _overrides(limits: Limits, models: tuple[str, ...]) -> dict[str, Price]:
    if limits.free:
        return dict.fromkeys(models, FREE)
    if limits.price_in is not None and limits.price_out is not None:
        return dict.fromkeys(models, flat(limits.price_in, limits.price_out, "stated by the user"))
    return {}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it exists, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop

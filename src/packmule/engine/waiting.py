"""A call that waits for its next attempt: what is asked, of whom, and at most for how much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from packmule.core.calls import Answer, Request
from packmule.core.money import worst_case
from packmule.core.ports import CheckedSchema, Endpoint
from packmule.core.rows import AttemptRow

if TYPE_CHECKING:
    from packmule.engine.item_run import ItemRun


class Ended:
    """How a call ended: `answer` and `value` when accepted; `reason` otherwise, with the fault's `kind`."""

    __slots__ = ("answer", "cost", "kind", "model", "reason", "state", "value")

    def __init__(self, state: str, *, reason: str = "", kind: str = "") -> None:
        self.state = state
        self.reason = reason
        self.kind = kind
        self.answer: Answer | None = None
        self.value: object = None
        self.cost = 0
        self.model = ""


class Waiting:
    """One call on its way through tap and lanes. `nth` counts its attempts, `spent` its spent retries."""

    __slots__ = (
        "abandoned",
        "blocked",
        "body",
        "bounds",
        "cohort",
        "digest",
        "endpoint",
        "endpoints",
        "found",
        "fresh_call",
        "future",
        "held",
        "label",
        "nth",
        "nth_ask",
        "number",
        "packed",
        "price",
        "ready_s",
        "request",
        "retrying",
        "run",
        "schema",
        "spent",
        "started_s",
        "user_check",
        "worst",
    )

    def __init__(self, run: ItemRun, request: Request, endpoints: list[Endpoint]) -> None:
        self.run = run
        self.request = request
        self.endpoints = endpoints
        self.future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.number = 0
        self.nth = 0
        self.nth_ask = 0
        self.spent = 0
        self.digest = b""
        self.packed = b""
        self.label: str | None = None
        self.fresh_call = True
        self.schema: CheckedSchema | None = None
        self.user_check: object = None
        self.held = 0
        self.abandoned = self.blocked = False
        self.retrying = False
        self.ready_s = 0.0
        self.started_s = 0.0
        # Jobs that were refused whole are split; what was split apart does not meet again.
        self.cohort = 0
        # The journal's last attempt, when it is held by a job or answered and not yet judged.
        self.found: AttemptRow | None = None
        self.aim(endpoints[0])

    def aim(self, endpoint: Endpoint) -> None:
        """Make ready for this endpoint: wire body, bounds, worst case."""
        self.endpoint = endpoint
        self.body = endpoint.encode(self.request, self.run.world.blobs.get)
        self.bounds = endpoint.bounds(self.request, self.body)
        self.price = self.run.world.price(endpoint)
        self.worst = worst_case(self.price, self.bounds)

    @property
    def tokens(self) -> int:
        """Tokens reserved from a per-minute limit."""
        return self.bounds.tokens_in + self.bounds.tokens_out

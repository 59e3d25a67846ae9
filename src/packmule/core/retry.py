"""What a fault leads to. One table, one function; who waits for what, and what spends a retry.

Rate limits, overload and unsent requests gate the bucket and spend nothing. Timeouts, resets and server errors
spend one of the retries. A wrong key or an empty purse halts the bucket: waiting does not help. A request the
provider refuses for what it says fails at once, and so does what a person's own list of errors leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packmule.core.calls import Fault, FaultKind

Action = Literal["gate", "retry", "fail", "halt"]

ACTIONS: dict[FaultKind, Action] = {
    "local": "gate",
    "connect": "gate",
    "rate_limit": "gate",
    "overloaded": "gate",
    "stopped": "gate",
    "died": "gate",
    "quota": "halt",
    "auth": "halt",
    "redirect": "halt",
    "invalid_request": "fail",
    "server_error": "retry",
    "timeout": "retry",
    "reset": "retry",
    "cut": "retry",
    "malformed": "retry",
}

# What spends one of a call's retries.
SPENDING: frozenset[str] = frozenset(kind for kind, action in ACTIONS.items() if action == "retry")
# What tells the breaker that the provider is in trouble.
BREAKER_FAILURES: frozenset[FaultKind] = frozenset(
    ("connect", "overloaded", "server_error", "timeout", "reset", "cut", "malformed")
)
# What tells the pace that we ask too much.
PACE_TROUBLE: frozenset[FaultKind] = frozenset(("rate_limit", "overloaded", "timeout", "local"))

# The names by which people choose what is tried again; trouble of this machine and of our own has no name.
ErrorName = Literal["rate_limit", "timeout", "server_error", "overloaded", "connection"]
NAMED: dict[FaultKind, ErrorName] = {
    "rate_limit": "rate_limit",
    "timeout": "timeout",
    "server_error": "server_error",
    "malformed": "server_error",
    "overloaded": "overloaded",
    "connect": "connection",
    "reset": "connection",
    "cut": "connection",
}

GATE_FIRST_S = 1.0
GATE_MAX_S = 60.0
RETRY_MAX_S = 300.0
BUDGET_SHARE = 0.1
BUDGET_PER_MIN = 10.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`count` retries after the first try; the first waits `delay_s`, each next one `factor` times as long.

    `invalid` is the separate count of re-asks after an answer that its check refused. `errors` are those that are
    tried again, None: all.
    """

    count: int = 3
    delay_s: float = 5.0
    invalid: int = 2
    on_unknown: Literal["retry", "hold"] = "retry"
    factor: float = 2.0
    errors: tuple[ErrorName, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after a fault: `wait_s` for gate (the bucket) and retry (this call)."""

    action: Action
    wait_s: float = 0.0


def after_fault(fault: Fault, spent: int, policy: RetryPolicy, gates_in_row: int, jitter: float) -> Verdict:
    """Decide. `spent` retries of this call so far; `gates_in_row` of the bucket; `jitter` in [0, 1)."""
    action = ACTIONS[fault.kind]
    if policy.errors is not None and fault.kind in NAMED and NAMED[fault.kind] not in policy.errors:
        return Verdict("fail")
    if action == "gate":
        return Verdict("gate", gate_wait_s(fault, gates_in_row, jitter))
    if action != "retry":
        return Verdict(action)
    if fault.outcome == "unknown" and policy.on_unknown == "hold":
        return Verdict("fail")
    if spent >= policy.count:
        return Verdict("fail")
    return Verdict("retry", max(fault.retry_after_s or 0.0, backoff_s(spent + 1, policy, jitter)))


def gate_wait_s(fault: Fault, gates_in_row: int, jitter: float) -> float:
    """The provider's own word (with a little jitter against a stampede), else 1 s doubling to 60 s, jittered."""
    if fault.retry_after_s is not None and fault.retry_after_s >= 0:
        return fault.retry_after_s + jitter * min(1.0, fault.retry_after_s / 10)
    ceiling = min(GATE_MAX_S, GATE_FIRST_S * 2.0 ** min(gates_in_row, 10))
    return float(ceiling * (0.5 + jitter / 2))


def backoff_s(nth: int, policy: RetryPolicy, jitter: float) -> float:
    """The wait before the nth retry (from 1): delay x factor^(n-1), give or take a tenth."""
    return float(min(RETRY_MAX_S, policy.delay_s * policy.factor ** min(nth - 1, 20)) * (0.9 + jitter / 5))


@dataclass(slots=True)
class RetryBudget:
    """All retries together stay under a tenth of the traffic, but at least ten a minute may go."""

    level: float = BUDGET_PER_MIN
    filled_s: float = 0.0

    def on_first_attempt(self) -> None:
        """Traffic earns retries; what is earned is kept, up to a thousand."""
        self.level = min(1000.0, self.level + BUDGET_SHARE)

    def wait_s(self, now_s: float) -> float:
        """Seconds until a retry may go."""
        if self.level < BUDGET_PER_MIN:
            self.level = min(BUDGET_PER_MIN, self.level + (now_s - self.filled_s) * BUDGET_PER_MIN / 60)
        self.filled_s = now_s
        return 0.0 if self.level >= 1 else (1 - self.level) * 60 / BUDGET_PER_MIN

    def take(self) -> None:
        """A retry goes."""
        self.level -= 1

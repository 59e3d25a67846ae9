"""How fast one bucket (a provider's model) may be asked: requests and tokens a minute, width, gates.

Rules: over any minute no more than the limit goes out (bucket size plus a minute's refill equals it); headers
correct downwards, never above what the user set; a Retry-After gates the whole bucket; the width grows by doubling
until the first sign of trouble and by one a window after it, and is cut once a window, not once a failed call.
Latency is no sign of trouble: it follows the length of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packmule.core.calls import RateHint

MINUTE_S = 60.0
WIDTH_START = 4.0
CUT = 0.7
GATE_MAX_S = 24 * 3600.0


@dataclass(slots=True)
class Bucket:
    """A token bucket that never lets more than `per_minute` pass in any minute. None: no limit."""

    per_minute: float | None = None
    level: float = 0.0
    filled_s: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.size

    @property
    def size(self) -> float:
        """The burst: three seconds' worth, at least one."""
        return 0.0 if self.per_minute is None else max(1.0, self.per_minute / 20)

    @property
    def rate(self) -> float:
        """Refill a second, so that size + 60 s of it make `per_minute`."""
        if self.per_minute is None:
            return 0.0
        return max(self.per_minute - self.size, min(1.0, self.per_minute)) / MINUTE_S

    def limit(self, per_minute: float, now_s: float) -> None:
        """Set another limit; what is in the bucket never grows by it."""
        if per_minute != self.per_minute:
            fresh = self.per_minute is None
            self.per_minute = per_minute
            self.level = self.size if fresh else min(self.level, self.size)
            self.filled_s = now_s

    def refill(self, now_s: float) -> None:
        """Let the time that passed flow in."""
        if self.per_minute is not None:
            self.level = min(self.size, self.level + (now_s - self.filled_s) * self.rate)
        self.filled_s = now_s

    def wait_s(self, amount: float) -> float:
        """Seconds until `amount` may pass. More than the bucket holds passes when it is full (and leaves a debt)."""
        if self.per_minute is None:
            return 0.0
        missing = min(amount, self.size) - self.level
        return missing / self.rate if missing > 1e-9 else 0.0  # noqa: PLR2004 - float dust

    def take(self, amount: float) -> None:
        """`amount` passes; a negative amount gives back."""
        if self.per_minute is not None:
            self.level = min(self.size, self.level - amount)


@dataclass(slots=True)
class Pace:
    """The pace of one bucket. Times are monotonic seconds given by the caller."""

    width_max: float
    growth_per_min: float | None = None
    requests: Bucket = field(default_factory=Bucket)
    tokens: Bucket = field(default_factory=Bucket)
    width: float = WIDTH_START
    in_flight: int = 0
    gate_s: float = 0.0
    gate_reason: str = ""
    slow_start: bool = True
    clean: int = 0
    cut_s: float = -1.0
    grown_s: float = 0.0
    limits_in_row: int = 0

    def __post_init__(self) -> None:
        self.width = min(self.width, self.width_max)

    def gated_s(self, now_s: float) -> tuple[float, str]:
        """Seconds until the gate opens, and why it is shut; (0, '') when it is open."""
        return (self.gate_s - now_s, self.gate_reason) if now_s < self.gate_s else (0.0, "")

    def wait_s(self, now_s: float, tokens: int) -> tuple[float, str]:
        """(0, '') when an attempt of `tokens` may go now; else seconds to wait (inf: for a slot) and the reason."""
        if now_s < self.gate_s:
            return self.gated_s(now_s)
        if self.in_flight >= int(self.width):
            return float("inf"), "width"
        if self.requests.per_minute is None and self.tokens.per_minute is None:
            return 0.0, ""
        self.requests.refill(now_s)
        self.tokens.refill(now_s)
        wait = max(self.requests.wait_s(1), self.tokens.wait_s(tokens))
        return (wait, "rate limit") if wait else (0.0, "")

    def take(self, tokens: int) -> None:
        """An attempt goes."""
        self.in_flight += 1
        self.requests.take(1)
        self.tokens.take(tokens)

    def done(self, reserved: int, used: int | None) -> None:
        """An attempt ended; tokens reserved and not used flow back (all stay taken when it is not known)."""
        self.in_flight -= 1
        if used is not None and used < reserved:
            self.tokens.take(used - reserved)

    def on_success(self, now_s: float) -> None:
        """Grow once a clean window: double in slow start, then by one, and only if the width is used."""
        self.limits_in_row = 0
        self.clean += 1
        if self.clean < int(self.width):
            return
        self.clean = 0
        if self.in_flight + 1 < self.width / 2 or self.width >= self.width_max:
            return
        grown = self.width * 2 if self.slow_start else self.width + 1
        if self.growth_per_min is not None:
            elapsed = min(1.0, (now_s - self.grown_s) / MINUTE_S)
            grown = min(grown, max(self.width + 1, self.width * self.growth_per_min**elapsed))
        self.grown_s = now_s
        self.width = min(self.width_max, grown)

    def on_trouble(self, now_s: float, started_s: float) -> None:
        """A 429, 529 or timeout of an attempt begun at `started_s`: cut the width once a window."""
        self.slow_start = False
        self.clean = 0
        if started_s >= self.cut_s:
            self.width = max(1.0, self.width * CUT)
            self.cut_s = now_s

    def gate(self, until_s: float, reason: str) -> None:
        """Nothing goes before `until_s`; a later gate stays."""
        if until_s > self.gate_s:
            self.gate_s = until_s
            self.gate_reason = reason

    def correct(self, hint: RateHint, now_s: float, user_rpm: float | None, user_tpm: float | None) -> None:
        """Take the headers' word: limits learned (never above the user's), what remains, when it resets."""
        _learn(self.requests, hint.requests_limit, user_rpm, now_s)
        _learn(self.tokens, hint.tokens_limit, user_tpm, now_s)
        if hint.requests_remaining is not None:
            free = hint.requests_remaining - max(0, self.in_flight - 1)
            self.requests.level = min(self.requests.level, max(0.0, float(free)))
            if hint.requests_remaining == 0 and hint.requests_reset_s:
                self.gate(now_s + min(hint.requests_reset_s, MINUTE_S), "rate limit")
        if hint.tokens_remaining is not None:
            self.tokens.level = min(self.tokens.level, float(hint.tokens_remaining))


def _learn(bucket: Bucket, limit: int | None, user: float | None, now_s: float) -> None:
    if limit is not None and limit > 0:
        bucket.refill(now_s)
        bucket.limit(float(limit) if user is None else min(user, float(limit)), now_s)

"""What the provider in a box is like today: a small TOML file read into frozen values.

    seed = 7                          # the same seed and the same bytes give the same answers and faults
    manner = "hostile"                # or "inventing", or "plain" (the default)
    manner_probability = 0.3          # share of the answers given in that manner

    [latency]
    median_s = 0.8                    # 0 (the default) answers at once
    sigma = 0.5                       # spread of the log-normal curve
    drip_bytes_per_s = 20             # how fast a dripping answer comes

    [limits]                          # leave out for none
    requests_per_min = 600
    tokens_per_min = 100000

    [faults]                          # probability of each for one request, together at most 1
    status_429 = 0.01
    reset_after = 0.005

    [[outages]]                       # from the start of the provider
    from_s = 30
    to_s = 90
    kind = "status_529"               # any fault, or status_401, status_402, status_403, quota, refused

    [[fail]]                          # poison: a request whose text matches always gets this status
    pattern = "lorem ipsum"
    status = 400

    [prices."openai/gpt-5-mini"]      # dollars per million tokens
    input = 0.25
    output = 2.0

    [jobs]                            # batch jobs; shares and chances are 0 unless stated
    duration_s = 0.2                  # how long a job takes
    sigma = 0.4                       # spread of the log-normal curve; 0 (the default) gives each job the same
    window_s = 86400                  # what is not done by then expires
    lag_s = 5                         # a new job cannot be seen before
    reorder = true                    # results in any order (never with Gemini)
    expire_share = 0.1                # share of the lines that expire
    error_share = 0.1                 # share of the lines that the provider fails to answer
    bad_line = "name"                 # a line that is poison fails alone ("line", the default), has its job refused
                                      # ("refuse"), or failed with ("name") or without its number ("anonymous")
    create_refused = 0.1              # chance of a 429, and no job is made
    create_lost = 0.1                 # chance that a job is made and nobody is told
    cut_downloads = 0.1               # chance that results end in the middle
    missing_rows = 0.01               # share of the lines that were done and billed, and are not in the results
    duplicate_rows = 0.01             # share that is there twice
    foreign_rows = 0.01               # share that brings a line of somebody else along
    decoys = [100, 100]               # sizes of somebody else's jobs, there from the start

Times are those of the clock that the provider was given. `refused` is a connection that is never made; over
HTTP, where the port stays open, it is a reset (stop the server to have a port that refuses).
"""

from __future__ import annotations

import math
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from packmule.errors import UsageError

Fault = Literal[
    "status_429",  # refused, not billed
    "status_500",  # failed after the work: billed
    "status_502",  # a gateway failed before the work: not billed
    "status_503",  # overloaded, not billed
    "status_504",  # a gateway gave up after the work: billed
    "status_529",  # overloaded, not billed
    "timeout",  # the work is done and billed, no answer ever comes
    "reset_after",  # billed, then the connection is reset
    "reset_before",  # reset, not billed
    "drip",  # billed, and the answer comes byte by byte
    "cut",  # billed, and the answer ends in the middle
    "wrong_length",  # billed, and the content-length is too small
    "malformed",  # billed, and the 200 is not JSON
    "html",  # a 200 from something that is not the provider: not billed
    "usage_wrong",  # usage a little too high, and billed so
    "usage_missing",
    "usage_zero",
    "usage_negative",
    "usage_oversized",  # usage far above what was asked for, and billed so
]
OutageKind = Literal[Fault, "status_401", "status_402", "status_403", "quota", "refused"]
MannerName = Literal["plain", "hostile", "inventing"]
BadLine = Literal["line", "refuse", "name", "anonymous"]


class Latency(Struct, frozen=True, forbid_unknown_fields=True):
    """Log-normal around `median_s`."""

    median_s: float = 0.0
    sigma: float = 0.4
    drip_bytes_per_s: float = 20.0


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What a minute holds; None is no limit."""

    requests_per_min: int | None = None
    tokens_per_min: int | None = None


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """Probability of each fault for one request."""

    status_429: float = 0.0
    status_500: float = 0.0
    status_502: float = 0.0
    status_503: float = 0.0
    status_504: float = 0.0
    status_529: float = 0.0
    timeout: float = 0.0
    reset_after: float = 0.0
    reset_before: float = 0.0
    drip: float = 0.0
    cut: float = 0.0
    wrong_length: float = 0.0
    malformed: float = 0.0
    html: float = 0.0
    usage_wrong: float = 0.0
    usage_missing: float = 0.0
    usage_zero: float = 0.0
    usage_negative: float = 0.0
    usage_oversized: float = 0.0


class Outage(Struct, frozen=True, forbid_unknown_fields=True):
    """Every request between the two moments meets `kind`."""

    from_s: float
    to_s: float
    kind: OutageKind


class Poison(Struct, frozen=True, forbid_unknown_fields=True):
    """A request whose text matches the regular expression always gets `status`."""

    pattern: str
    status: int = 400


class Jobs(Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of batch jobs; every float but the times and `sigma` is a chance."""

    duration_s: float = 0.2
    sigma: float = 0.0
    window_s: float = 86_400.0
    lag_s: float = 0.0
    reorder: bool = True
    expire_share: float = 0.0
    error_share: float = 0.0
    bad_line: BadLine = "line"
    create_refused: float = 0.0
    create_lost: float = 0.0
    cut_downloads: float = 0.0
    missing_rows: float = 0.0
    duplicate_rows: float = 0.0
    foreign_rows: float = 0.0
    decoys: tuple[int, ...] = ()


class ModelPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per million tokens."""

    input: float
    output: float


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `Scenario()` is a provider that answers at once and never fails."""

    seed: int = 0
    manner: MannerName = "plain"
    manner_probability: float = 1.0
    latency: Latency = Latency()
    limits: Limits = Limits()
    faults: Faults = Faults()
    outages: tuple[Outage, ...] = ()
    fail: tuple[Poison, ...] = ()
    jobs: Jobs = Jobs()
    prices: dict[str, ModelPrice] = {}


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises UsageError with a sentence."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"the scenario {path} cannot be read: {reason}"
        raise UsageError(message) from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """Read TOML. `name` stands in the messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{name} is not TOML: {error}"
        raise UsageError(message) from error
    _known_keys(data, Scenario, name, "")
    try:
        scenario = msgspec.convert(data, Scenario)
    except msgspec.ValidationError as error:
        raise UsageError(_translated(name, str(error))) from error
    for problem in _problems(scenario):
        message = f"{name}: {problem}"
        raise UsageError(message)
    return scenario


_JOB_CHANCES = (
    "expire_share", "error_share", "create_refused", "create_lost", "cut_downloads", "missing_rows", "duplicate_rows",
    "foreign_rows",
)  # fmt: skip
_TABLES: dict[str, type[Struct]] = {"latency": Latency, "limits": Limits, "faults": Faults, "jobs": Jobs}
_LISTS: dict[str, type[Struct]] = {"outages": Outage, "fail": Poison}


def _known_keys(data: dict[str, Any], shape: type[Struct], name: str, where: str) -> None:
    known = [field.name for field in msgspec.structs.fields(shape)]
    for key, value in data.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            message = f"{name}: unknown key {where}{key}"
            raise UsageError(message, hint=hint)
        if key in _TABLES and isinstance(value, dict):
            _known_keys(value, _TABLES[key], name, f"{key}.")
        for entry in value if key in _LISTS and isinstance(value, list) else ():
            if isinstance(entry, dict):
                _known_keys(entry, _LISTS[key], name, f"{key}.")


def _translated(name: str, error: str) -> str:
    """What msgspec says, "Expected `float`, got `str` - at `$.latency.median_s`", said for a person."""
    what, _, where = error.partition(" - at `$.")
    place = where.rstrip("`") or "the file"
    return f"{name}: {place}: {what[:1].lower()}{what[1:]}".replace("`", "")


def _problems(scenario: Scenario) -> list[str]:
    """Every value that has the right type and makes no sense."""
    found = [*_bad_probabilities(scenario), *_bad_numbers(scenario)]
    found += [
        f"an outage must end after it begins: from_s = {outage.from_s:g}, to_s = {outage.to_s:g}"
        for outage in scenario.outages
        if not 0 <= outage.from_s < outage.to_s
    ]
    for poison in scenario.fail:
        try:
            re.compile(poison.pattern)
        except re.error as error:
            found.append(f"fail.pattern {poison.pattern!r} is not a regular expression: {error}")
        if not 400 <= poison.status <= 599:  # noqa: PLR2004 - the two error classes of HTTP
            found.append(f"fail.status must be between 400 and 599, not {poison.status}")
    return found


def _bad_probabilities(scenario: Scenario) -> list[str]:
    faults, jobs = msgspec.structs.asdict(scenario.faults), scenario.jobs
    chances = {f"faults.{name}": chance for name, chance in faults.items()}
    chances |= {f"jobs.{name}": getattr(jobs, name) for name in _JOB_CHANCES}
    chances["manner_probability"] = scenario.manner_probability
    found = [
        f"{name} must be between 0 and 1, not {chance:g}" for name, chance in chances.items() if not 0 <= chance <= 1
    ]
    shares = jobs.expire_share + jobs.error_share
    sums = (("the faults", math.fsum(faults.values())), ("jobs.expire_share and jobs.error_share", shares))
    for what, total in sums if not found else ():
        if total > 1 + 1e-9:
            found.append(f"{what} together have a probability of {total:g}; at most 1 is possible")
    return found


def _bad_numbers(scenario: Scenario) -> list[str]:
    latency, limits = scenario.latency, scenario.limits
    numbers = {"latency.median_s": latency.median_s, "latency.sigma": latency.sigma}
    numbers |= {f"jobs.{name}": getattr(scenario.jobs, name) for name in ("duration_s", "sigma", "window_s", "lag_s")}
    for model, price in scenario.prices.items():
        numbers[f"prices.{model}.input"] = price.input
        numbers[f"prices.{model}.output"] = price.output
    found = [f"{name} must be 0 or more, not {value:g}" for name, value in numbers.items() if not 0 <= value < math.inf]
    if not 0 < latency.drip_bytes_per_s < math.inf:
        found.append(f"latency.drip_bytes_per_s must be more than 0, not {latency.drip_bytes_per_s:g}")
    found += [f"jobs.decoys must be sizes of at least 1, not {size}" for size in scenario.jobs.decoys if size < 1]
    for name, limit in (("requests", limits.requests_per_min), ("tokens", limits.tokens_per_min)):
        if limit is not None and limit < 1:
            found.append(f"limits.{name}_per_min must be at least 1, not {limit}")
    return found

"""The options that several commands share, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from packmule.cli.settled import use_template


class NamedError(StrEnum):
    """Errors by which people choose what is tried again."""

    rate_limit = "rate_limit"
    timeout = "timeout"
    server_error = "server_error"
    overloaded = "overloaded"
    connection = "connection"


Template = Annotated[
    Path | None,
    typer.Option(
        "--template",
        is_eager=True,
        callback=use_template,
        help="What to ask, from a file of `packmule template save`; other options override it.",
    ),
]
StoreOption = Annotated[Path | None, typer.Option("--store", help="The store (default .packmule/store.db).")]
OutOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Folder for the results; {batch} is its id (packmule-out/{batch})."),
]
ProgressOption = Annotated[
    Literal["auto", "detailed", "compact", "log", "quiet", "none"],
    typer.Option(
        "--progress", help="How the run is shown; quiet: only its last line, none: nothing; errors always (auto)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Standard output holds records for programs, one a line.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Agree to spend without being asked.")]
PilotOption = Annotated[
    int | None,
    typer.Option("--pilot", min=1, help="Ask so many items first, show cost and answers, and ask before the rest."),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Begin in the background, say which batch it is, and return.")
]
TakeOverOption = Annotated[bool, typer.Option("--take-over", help="Take the batch from a runner that hangs.")]
SimOption = Annotated[Path | None, typer.Option("--sim-scenario", help="Scenario file for sim/ models.")]
MaxCost = Annotated[str | None, typer.Option("--max-cost", help="Dollars the batch may cost at most (no cap).")]
ItemCap = Annotated[str | None, typer.Option("--item-cap", help="Dollars one item may cost at most (no cap).")]
OnBudget = Annotated[
    Literal["stop", "warn"] | None, typer.Option("--on-budget", help="At the cap: stop, or only warn (stop).")
]
PriceIn = Annotated[str | None, typer.Option("--price-in", help="Dollars per million input tokens.")]
PriceOut = Annotated[str | None, typer.Option("--price-out", help="Dollars per million output tokens.")]
Free = Annotated[bool, typer.Option("--free", help="Declare that the endpoint costs nothing.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="Calls in flight at most (16).")]
Rpm = Annotated[float | None, typer.Option("--rpm", help="Requests a minute at most (as the provider says).")]
Tpm = Annotated[float | None, typer.Option("--tpm", help="Tokens a minute at most (as the provider says).")]
RetryCount = Annotated[int | None, typer.Option("--retry-count", help="Retries of a call after its first try (3).")]
RetryDelay = Annotated[
    float | None, typer.Option("--retry-delay", help="Seconds before the first retry, doubling (5).")
]
RetryBackoff = Annotated[
    float | None, typer.Option("--retry-backoff", help="How many times longer each next retry waits (2).")
]
RetryOn = Annotated[
    list[NamedError] | None,
    typer.Option("--retry-on", help="Errors that are tried again; others fail at once (all of these)."),
]
RetriesInvalid = Annotated[
    int | None, typer.Option("--retries-invalid", help="Re-asks after an answer that is not valid (2).")
]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds for one attempt (600).")]
OutageLimit = Annotated[
    float | None, typer.Option("--outage-limit", help="Seconds to wait for a provider that is down (no limit).")
]
OnUnknown = Annotated[
    Literal["retry", "hold"] | None,
    typer.Option("--on-unknown", help="An attempt that may have been billed: retry it, or hold the item (retry)."),
]
ModeOption = Annotated[
    Literal["realtime", "jobs"] | None,
    typer.Option("--mode", help="jobs: through the provider's batch jobs, at half the price and within hours."),
]
ItemsPerJob = Annotated[int | None, typer.Option("--items-per-job", help="Calls in one job at most (100).")]
MaxParallelJobs = Annotated[int | None, typer.Option("--max-parallel-jobs", help="Jobs at a time at most (5).")]
JobLinger = Annotated[
    float | None, typer.Option("--job-linger", help="Seconds without a newcomer after which a job is sent (2).")
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="Keep this JSON file up to date: every 30 s, on pause and at the end."),
]
Budget = Annotated[
    str | None, typer.Option("--budget", help="Dollars to be warned at; with --stop-on-budget the batch stops there.")
]
StopOnBudget = Annotated[bool, typer.Option("--stop-on-budget", help="Make --budget a cap that stops.")]

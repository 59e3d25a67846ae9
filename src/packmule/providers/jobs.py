"""Batch jobs of one model at one provider: a jobs codec joined with an address, a key and a transport.

One exchange a step, and never a second try: only who keeps the books knows whether one is free. Results come into a
file beside the wanted one, which gets its name when they are whole. The key goes to the base URL's own origin only,
and is struck out of everything that comes back, also out of a file that is too large to be looked at in one piece.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.jobs import JobLimits, JobRow, JobSeen
from packmule.core.ports import Transport
from packmule.providers.codec import Codec
from packmule.providers.jobs_codec import JobsCodec
from packmule.providers.keys import Key, without_key
from packmule.providers.transport import BYTES_PER_S

CONTROL_S = 60.0
PAGES_MAX = 1_000
FILE_MAX = 16 * 2**30
# What a job says of itself is kept in memory; where that holds all its results, it is as large as they are.
INLINED_MAX = 512 * 2**20


class JobsClient:
    """Fulfils `core.ports.JobsFace`. `name` is the model's name on the wire."""

    __slots__ = ("_base", "_codec", "_headers", "_jobs", "_key", "_name", "_transport")

    def __init__(
        self, name: str, codec: Codec, jobs: JobsCodec, *, base_url: str, key: Key | None, transport: Transport
    ) -> None:
        self._name = name
        self._codec = codec
        self._jobs = jobs
        self._base = base_url
        self._key = key
        self._transport = transport
        self._headers = {"accept": "application/json"} | codec.headers(key.reveal() if key is not None else None)

    def __repr__(self) -> str:
        return f"JobsClient({self._name} at {self._base})"

    @property
    def limits(self) -> JobLimits:
        """What the provider takes in one job."""
        return self._jobs.limits

    def line(self, name: str, body: bytes) -> bytes:
        """A request as a line of a job."""
        return self._jobs.line(name, body)

    def body(self, marker: str, lines: Sequence[bytes]) -> bytes:
        """All of a job as it is sent."""
        return self._jobs.body(marker, list(lines))

    async def upload(self, marker: str, body: bytes) -> str | Fault:
        """Bring the file in; its id."""
        files = self._jobs.files
        assert files is not None, "this provider takes no files"
        got = await self._ask(files.upload(self._base, marker, body))
        return got if isinstance(got, Fault) else files.uploaded(got)

    async def create(self, marker: str, body: bytes, file: str | None) -> JobSeen | Fault:
        """Make the job."""
        got = await self._ask(self._jobs.create(self._base, self._name, marker, body, file))
        return got if isinstance(got, Fault) else self._jobs.seen(got)

    async def poll(self, remote: str) -> JobSeen | Fault:
        """What it is now."""
        got = await self._look(self._jobs.poll(self._base, remote))
        return got if isinstance(got, Fault) else self._jobs.seen(got)

    async def cancel(self, remote: str) -> JobSeen | Fault:
        """Ask for its end."""
        got = await self._ask(self._jobs.cancel(self._base, remote))
        return got if isinstance(got, Fault) else self._jobs.cancelled(remote, got)

    async def jobs(self, since_s: float) -> list[JobSeen] | Fault:
        """All jobs created since then, and those that do not say when they were."""
        found: list[JobSeen] = []
        after = ""
        for _ in range(PAGES_MAX):
            got = await self._look(self._jobs.page(self._base, after))
            page = got if isinstance(got, Fault) else self._jobs.listed(got)
            if isinstance(page, Fault):
                return page
            # Providers tell whole seconds.
            young = [job for job in page.jobs if not 0 < job.created_s < int(since_s)]
            found += young
            if not page.after or (self._jobs.newest_first and len(young) < len(page.jobs)):
                return found
            after = page.after
        return Fault("malformed", "unknown", f"the provider's list of jobs does not end after {PAGES_MAX:,} pages")

    async def fetch(self, seen: JobSeen, into: Path) -> Fault | None:
        """Bring all results into one file, whole or not at all."""
        part = into.with_name(f"{into.name}.part")
        try:
            # Answers are as private as the store.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for address in seen.results:
                    fault = await self._pour(address, file)
                    if fault is not None:
                        return fault
            part.replace(into)
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Fault("local", "not_sent", f"the results cannot be written to {into}: {why}")
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return None

    def rows(self, fetched: Path) -> Iterator[JobRow]:
        """The rows of a fetched file."""
        return self._jobs.rows(fetched)

    async def _ask(self, request: WireRequest) -> Received | Fault:
        request.headers |= self._headers
        timeout_s = max(CONTROL_S, len(request.body) / BYTES_PER_S)
        return self._good(await self._transport.send(request, timeout_s))

    async def _look(self, request: WireRequest) -> Received | Fault:
        """Ask what there is; it may be large where results are part of it."""
        if not self._jobs.inlined:
            return await self._ask(request)
        request.headers |= self._headers
        kept = BytesIO()
        got = await self._transport.fetch(request, kept.write, CONTROL_S, INLINED_MAX)
        if isinstance(got, Received) and not got.body:
            got = Received(got.status, got.headers, kept.getvalue())
        return self._good(got)

    async def _pour(self, address: str, file: BinaryIO) -> Fault | None:
        request = self._jobs.fetch(self._base, address)
        if isinstance(request, Fault):
            return request
        request.headers |= self._headers
        struck = _Struck(file, self._key)
        got = self._good(await self._transport.fetch(request, struck.write, CONTROL_S, FILE_MAX))
        if isinstance(got, Fault):
            return got
        struck.end()
        return None

    def _good(self, got: Received | Fault) -> Received | Fault:
        """A success, or the fault that the realtime table reads in what is none."""
        got = without_key(self._key, got)
        if isinstance(got, Fault) or got.status // 100 == 2:  # noqa: PLR2004 - the class of successes
            return got
        fault = self._codec.decode(got)
        assert isinstance(fault, Fault), "only a success is an answer"
        return fault


class _Struck:
    """Writes on what comes, with the key struck out wherever the pieces part it, and a line break at the end."""

    def __init__(self, file: BinaryIO, key: Key | None) -> None:
        self._file = file
        self._key = key
        self._kept = b""
        self._keep = len(key.reveal()) if key is not None else 1

    def write(self, piece: bytes) -> None:
        data = self._kept + piece
        if self._key is not None:
            data = self._key.strike(data)
        end = max(0, len(data) - self._keep)
        self._file.write(data[:end])
        self._kept = data[end:]

    def end(self) -> None:
        self._file.write(self._kept if self._kept[-1:] in {b"", b"\n"} else self._kept + b"\n")

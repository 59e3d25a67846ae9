"""One provider job in the hands of its session: its lines, its place in the table of states, and its body."""

from __future__ import annotations

from hashlib import sha256

from packmule.core.jobs import JOB, custom_id
from packmule.core.ports import Endpoint, JobsFace
from packmule.core.rows import HeldLine, JobRecord
from packmule.core.states import move
from packmule.engine.waiting import Waiting

ROOM_PER_LINE = 256
"""Bytes that a line may be longer than the body in it: its name, and the provider's own words around it."""


class Line:
    """An attempt in a job. `waiting` is who asked, None for one of an earlier session until its recipe asks again."""

    __slots__ = ("held", "waiting")

    def __init__(self, held: HeldLine | None, waiting: Waiting | None) -> None:
        self.held = held
        self.waiting = waiting


class Job:
    """`cohort` 0 unless it was split off a refused job. `intended_us` is UTC."""

    def __init__(self, marker: str, endpoint: Endpoint, face: JobsFace, cohort: int = 0) -> None:
        self.marker = marker
        self.endpoint = endpoint
        self.face = face
        self.cohort = cohort
        self.state = "intended"
        self.fresh = True
        self.lines: dict[int, Line] = {}
        self.bytes = 0
        self.body = b""
        self.file: str | None = None
        self.remote: str | None = None
        self.intended_us = 0
        self.requests = 0
        self.trouble = ""
        self.warned = 0

    @classmethod
    def of_record(cls, record: JobRecord, lines: list[HeldLine], endpoint: Endpoint, face: JobsFace) -> Job:
        """A job of an earlier session."""
        job = cls(record.marker, endpoint, face)
        job.fresh, job.state, job.requests = False, record.state, record.requests
        job.file, job.remote, job.intended_us = record.file, record.remote, record.intended_at
        job.lines = {line.line: Line(line, None) for line in lines}
        return job

    def takes(self, size: int, most: int) -> bool:
        """Is there room for one more line of about this many bytes, `most` lines in all?"""
        limits = self.face.limits
        if not self.lines:
            return True
        return len(self.lines) < min(most, limits.requests) and self.bytes + size + ROOM_PER_LINE <= limits.bytes

    def put(self, waiting: Waiting) -> None:
        """One more call."""
        self.lines[len(self.lines)] = Line(None, waiting)
        self.bytes += len(waiting.body) + ROOM_PER_LINE

    def seal(self) -> bytes:
        """Make the body, without the calls whose recipes have left; returns its digest."""
        kept = [line for line in self.lines.values() if line.waiting is not None and not line.waiting.abandoned]
        self.lines = dict(enumerate(kept))
        self.requests = len(kept)
        named = [
            self.face.line(custom_id(self.marker, n), line.waiting.body)
            for n, line in self.lines.items()
            if line.waiting is not None
        ]
        self.body = self.face.body(self.marker, named)
        return sha256(self.body).digest()

    def move(self, event: str) -> None:
        """By the table."""
        self.state = move(JOB, self.state, event)

    @property
    def waitings(self) -> list[Waiting]:
        """The calls in it that somebody waits for."""
        return [line.waiting for line in self.lines.values() if line.waiting is not None]

"""A checkpoint: one JSON file that says how a batch stands, and holds what another machine needs to go on with it.

Its first keys are for people and other programs, and are always these; what resuming needs stands below the one key
`packmule`, the results of ended items last, one a line. The file is replaced whole: whoever reads it sees one moment.
completed + failed + pending = total_count: `failed` counts blocked items, `pending` those in flight and cancelled
ones, and skipped items are not to be done, so they are not in the total.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from packmule.core.batch import Limits, SourceMark, Spec, identity
from packmule.core.rows import Amount, SavedRow
from packmule.errors import UsageError
from packmule.exports.atomic import replacing

VERSION = 1
_BEGIN = b'{\n  "batch_id": "'
ANCESTORS_MAX = 100
BatchId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
Pico = Annotated[str, Meta(pattern=r"^[0-9]{1,18}\Z")]
_END = b"]\n  }\n}"
_NEW = "begin anew without --resume, or go on from the store: packmule list, then packmule resume BATCH"


class Config(Struct, frozen=True):
    """What the batch is made from."""

    source_data: str
    total_count: int
    provider: str | None


class Counts(Struct, frozen=True):
    """They add up to the total."""

    completed: Amount
    failed: Amount
    pending: Amount

    @property
    def total(self) -> int:
        """All that is to be done."""
        return self.completed + self.failed + self.pending


class Failed(Struct, frozen=True):
    """An item that failed, or was blocked by its own cap; `retries` counts its attempts after the first."""

    id: str
    error: str
    retries: int


class Facts(Struct, frozen=True):
    """What resuming needs. Paths are absolute; amounts are exact: picodollars and dollars as text.

    `ancestors` are the batches whose answers and money this one has taken over, the newest first.
    """

    version: int
    saved_at: str
    status: str
    reason: str
    store: str
    identity: str
    spec: Spec
    limits: Limits
    source: SourceMark
    source_path: str | None
    recipe_path: str | None
    out_dir: str
    command: str
    settled_pico: Pico
    unknown_pico: Pico
    unknown_usd: str
    tokens_in: Amount
    tokens_out: Amount
    skipped: int
    blocked: int
    cancelled: int
    ancestors: Annotated[tuple[BatchId, ...], Meta(max_length=ANCESTORS_MAX)] = ()
    results: tuple[SavedRow, ...] = ()


class Checkpoint(Struct, frozen=True):
    """The file's content, in its order."""

    batch_id: BatchId
    created_at: Annotated[datetime, Meta(tz=True)]
    paused_at: str | None
    config: Config
    progress: Counts
    completed_personas: tuple[str, ...]
    failed_personas: tuple[Failed, ...]
    cost_so_far: float
    packmule: Facts


class _Version(Struct):
    version: int


class _Outline(Struct):
    packmule: _Version | None = None


def write_checkpoint(path: Path, checkpoint: Checkpoint, results: Iterable[list[SavedRow]]) -> None:
    """Replace the file; `results` come page by page. Raises OutputError."""
    head = msgspec.json.format(msgspec.json.encode(checkpoint), indent=2)
    assert head.startswith(_BEGIN)
    assert head.endswith(b"[" + _END), "the results are the last field, and empty here"
    encode = msgspec.json.encode
    with replacing(path) as file:
        file.write(head[: -len(_END)])
        between = b"\n"
        for page in results:
            file.write(between + b",\n".join(encode(row) for row in page))
            between = b",\n"
        file.write(b"\n    " + _END + b"\n")


def checkpoints_in(folder: Path) -> list[Path]:
    """Files of a folder that begin as ours do, damaged ones too; of other JSON only the first bytes are read."""
    return [path for path in sorted(folder.glob("*.json")) if path.is_file() and _begins(path) == _BEGIN]


def read_checkpoint(path: Path, *, force: bool = False) -> Checkpoint:
    """The checked content; `force` lets counts pass that do not add up. Raises UsageError naming file and reason."""
    data = _bytes(path)
    try:
        _check_version(path, data)
        found = msgspec.json.decode(data, type=Checkpoint)
        _check(path, found)
    except RecursionError:
        raise damaged(path, "it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from None
    if not force and (wrong := _miscount(found)):
        message = f"{path}: its counts do not add up: {wrong}"
        raise UsageError(message, hint=f"--resume {path} --force goes on with what it holds all the same")
    return found


def damaged(path: Path, why: str) -> UsageError:
    """The refusal of a file that nobody can go on from."""
    return UsageError(f"{path} is damaged: {why}", hint=_NEW)


def _bytes(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            return path.read_bytes()
        reason = "it is not a regular file"
    except OSError as error:
        reason = error.strerror or str(error)
    message = f"{path} cannot be read: {reason}"
    raise UsageError(message, hint="packmule batch list shows the checkpoints that are known")


def utc_text(at_us: int | None) -> str | None:
    """`2025-01-15T10:30:00Z`."""
    if at_us is None:
        return None
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGIN))
    except OSError:
        return b""


def _check_version(path: Path, data: bytes) -> None:
    try:
        outline = msgspec.json.decode(data, type=_Outline)
    except msgspec.ValidationError:
        outline = _Outline()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise damaged(path, f"it is not whole JSON ({error})") from None
    if outline.packmule is None:
        message = f"{path} is no checkpoint of packmule: it has no key `packmule` with a version"
        raise UsageError(message, hint="give the file that --checkpoint wrote")
    if outline.packmule.version != VERSION:
        message = f"{path} has the checkpoint format {outline.packmule.version}, and this packmule reads {VERSION}"
        raise UsageError(message, hint="use the packmule that wrote it, or begin anew without --resume")


def _check(path: Path, found: Checkpoint) -> None:
    facts = found.packmule
    if identity(facts.spec, facts.source) != facts.identity:
        raise damaged(path, "its identity does not fit what it says of the batch")
    whole = int(facts.settled_pico), facts.tokens_in, facts.tokens_out
    for name, most in zip(("cost", "tokens_in", "tokens_out"), whole, strict=True):
        if sum(getattr(row, name) for row in facts.results) > most:
            raise damaged(path, f"what its items cost is more than the batch ({name})")
    for row in facts.results:
        # Outputs are kept as they are: what is no JSON would be noticed by whoever reads the results.
        msgspec.json.decode(row.output)


def _miscount(found: Checkpoint) -> str:
    counts, total = found.progress, found.config.total_count
    if counts.total != total:
        said = f"{counts.completed} completed + {counts.failed} failed + {counts.pending} pending"
        return f"{said} are not {total}"
    done = {row.key for row in found.packmule.results if row.state == "completed"}
    if len(done) != counts.completed or done != set(found.completed_personas):
        return f"{counts.completed} completed, but {len(found.completed_personas)} named and {len(done)} kept"
    if len(found.failed_personas) != counts.failed:
        return f"{counts.failed} failed, but {len(found.failed_personas)} named"
    return ""

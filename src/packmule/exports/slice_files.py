"""Results of a sliced batch as files: what the provider wrote, one file an item, and values, one file a slice.

`raw/job_0_item_3.json` is the fourth item of the first slice. `processed/job_0_results.json` holds parallel lists, in
input order: `results` (null where there is none) and `citations` (null where none were asked for); beside citations
also `unsupported`, the paths of values that the document does not say.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from packmule.errors import SourceError
from packmule.exports.atomic import replacing

RAW, PROCESSED = "raw", "processed"
_NAME = re.compile(r"job_(\d+)_results\.json")


class Processed(Struct, omit_defaults=True):
    """One slice. The lists are equally long; `results` are JSON values."""

    results: list[msgspec.Raw]
    citations: list[msgspec.Raw]
    unsupported: list[list[str]] | None = None


def raw_path(folder: Path, job: int, item: int) -> Path:
    """Where the provider's answer for an item of a slice stands."""
    return folder / RAW / f"job_{job}_item_{item}.json"


def processed_path(folder: Path, job: int) -> Path:
    """Where the results of a slice stand."""
    return folder / PROCESSED / f"job_{job}_results.json"


def write_processed(folder: Path, job: int, processed: Processed) -> None:
    """Replace the results of a slice. Raises OutputError."""
    with replacing(processed_path(folder, job)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(processed), indent=2) + b"\n")


def read_processed(folder: Path) -> dict[int, Processed]:
    """The results of every slice, in the order of their numbers. Raises SourceError naming a file that is damaged."""
    found = {}
    for path in (folder / PROCESSED).glob("job_*_results.json"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            found[int(name[1])] = _read(path)
    return dict(sorted(found.items()))


def _read(path: Path) -> Processed:
    try:
        processed = msgspec.json.decode(path.read_bytes(), type=Processed)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SourceError(message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path} is damaged: {error}"
        raise SourceError(message) from None
    if len({len(processed.results), len(processed.citations), len(processed.unsupported or processed.results)}) > 1:
        message = f"{path} is damaged: its lists are not equally long"
        raise SourceError(message)
    return processed

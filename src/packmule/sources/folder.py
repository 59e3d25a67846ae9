"""A folder: one item a file, in the order of paths, with the fields `text`, `name`, `path`, the path its id.

Subfolders are read too; hidden files, and the folders that packmule itself writes, are not. What is not text
is left out and said; a folder without one usable file is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from packmule.errors import SourceError
from packmule.sources.table import Counts, Fingerprint, Pair, Table
from packmule.sources.textfile import FIELD_MAX, TextFile

COLUMNS = ["text", "name", "path"]
OWN_FOLDERS = {"packmule-out"}
SHOWN = 3
_DOCUMENTS = ".pdf .doc .docx .odt .rtf .xls .xlsx .ods .ppt .pptx .parquet"
_PICTURES = ".png .jpg .jpeg .gif .webp .bmp .tif .tiff .heic"
_OTHERS = ".mp3 .wav .mp4 .mov .zip .gz .bz2 .xz .zst .7z .tar"
NOT_TEXT = frozenset(f"{_DOCUMENTS} {_PICTURES} {_OTHERS}".split())


def shown(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become replacement marks."""
    return os.fsencode(name).decode("utf-8", "replace")


def _is_ours(folder: Path) -> bool:
    """Results of an earlier run are no input, wherever -o has put them."""
    if folder.name in OWN_FOLDERS:
        return True
    try:
        with (folder / "summary.json").open("rb") as file:
            head = file.read(200)
    except OSError:
        return False
    return b'"batch_id"' in head and (folder / "results.jsonl").exists()


class FolderFiles:
    """The usable files of a folder, surveyed when made; both origin and table."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.left_out: dict[str, list[str]] = {}
        self.files = [file for path in self._paths() if (file := self._usable(path))]
        if not self.files:
            found = f": {'; '.join(self._reasons())}" if self.left_out else ""
            message = f"{name} is a folder without a text file to read{found}"
            raise SourceError(message, hint="one item is made of each .txt, .md, .csv, .json, .html ... file")

    def _paths(self) -> list[str]:
        """Relative paths with forward slashes, sorted."""
        found: list[str] = []
        for top, folders, files in os.walk(self.root):
            folders[:] = [sub for sub in folders if not sub.startswith(".") and not _is_ours(Path(top, sub))]
            inside = Path(top).relative_to(self.root)
            found += [(inside / file).as_posix() for file in files if not file.startswith(".")]
        return sorted(found)

    def _usable(self, path: str) -> TextFile | None:
        """The file, or None with the reason kept."""
        full = self.root / path
        reason = f"{full.suffix.lower()} is not read yet" if full.suffix.lower() in NOT_TEXT else ""
        if not reason and not full.is_file():
            reason = "not a regular file"
        if not reason and full.stat().st_size > FIELD_MAX:
            reason = f"larger than {FIELD_MAX // 10**6} MB"
        if not reason:
            try:
                file = TextFile(full, path)
            except SourceError as error:
                reason = error.message.removeprefix(f"{path} ")
            else:
                reason = "empty" if file.survey.size_bytes == 0 else ""
                reason = reason or ("" if file.survey.encoding else "looks like a binary file")
        if reason:
            self.left_out.setdefault(reason, []).append(path)
            return None
        return file

    def _reasons(self) -> list[str]:
        """One phrase for each reason why files are left out."""
        phrases = []
        for reason, paths in self.left_out.items():
            more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
            phrases.append(f"left out {', '.join(paths[:SHOWN])}{more}: {reason}")
        return phrases

    def table(self) -> Table:
        """One row a file."""

        def pairs(key_column: str | None, counts: Counts) -> Iterator[Pair]:
            for file in self.files:
                with file.open() as stream:
                    row = {"text": stream.read(), "name": shown(file.path.name), "path": shown(file.name)}
                file.verify()
                if row["text"].strip():
                    yield row[key_column or "path"], row
                else:
                    counts.empty += 1

        warnings = [f"{self.name}: {phrase}" for phrase in self._reasons()]
        return Table(list(COLUMNS), pairs, warnings + [said for file in self.files for said in file.warnings])

    def fingerprint(self) -> Fingerprint:
        """Digest over every usable file's path, size and digest."""
        digest = sha256()
        for file in self.files:
            digest.update(
                f"{file.name}\0{file.survey.size_bytes}\0{file.survey.sha256_hex}\n".encode("utf-8", "replace")
            )
        size = sum(file.survey.size_bytes for file in self.files)
        return Fingerprint(digest.hexdigest(), size, extendable=False)

    def prefix_digest(self, size_bytes: int) -> str | None:  # noqa: ARG002 - the protocol's
        """A folder has no first part."""
        return None

    def verify(self) -> None:
        """Each file is verified as it is read."""

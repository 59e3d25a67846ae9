"""A folder, or several files and folders: one item a file, in the order of paths, the path its id.

A text has the fields `text`, `name`, `path`. Where documents are wanted, so are PDF files and images: they have `file`
(where the bytes are), `media` and `sha256` instead of `text`, and are read when their item is. Subfolders are read too;
hidden files, and the folders that packmule itself writes, are not. What cannot be used is left out and said; nothing
usable at all is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from packmule.errors import SourceError
from packmule.sources.table import Counts, Fingerprint, Pair, Table
from packmule.sources.textfile import FIELD_MAX, TextFile

COLUMNS = ["text", "name", "path"]
DOCUMENT_COLUMNS = ["name", "path", "media"]
DOCUMENT_MAX = 20_000_000
MEDIA = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
OWN_FOLDERS = {"packmule-out"}
SHOWN = 3
_DOCUMENTS = ".pdf .doc .docx .odt .rtf .xls .xlsx .ods .ppt .pptx .parquet"
_PICTURES = ".png .jpg .jpeg .gif .webp .bmp .tif .tiff .heic"
_OTHERS = ".mp3 .wav .mp4 .mov .zip .gz .bz2 .xz .zst .7z .tar"
NOT_TEXT = frozenset(f"{_DOCUMENTS} {_PICTURES} {_OTHERS}".split())


def shown(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become replacement marks."""
    return os.fsencode(name).decode("utf-8", "replace")


def _paths(root: Path, *, alone: bool) -> list[tuple[Path, str]]:
    """(file, path as shown) of everything below a root, in the order of paths, with forward slashes."""
    if not root.is_dir():
        return [(root, root.name if alone else root.as_posix())]
    found: list[str] = []
    for top, folders, files in os.walk(root):
        folders[:] = [sub for sub in folders if not sub.startswith(".") and not _is_ours(Path(top, sub))]
        inside = Path(top).relative_to(root)
        found += [(inside / file).as_posix() for file in files if not file.startswith(".")]
    return [(root / path, path if alone else (root / path).as_posix()) for path in sorted(found)]


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
    """The usable files of one or more roots, surveyed when made; both origin and table.

    Paths are relative to a single folder; of several roots each path begins as its root was given.
    """

    def __init__(self, roots: Sequence[Path], name: str, *, documents: bool = False) -> None:
        self.name = name
        self.documents = documents
        self.left_out: dict[str, list[str]] = {}
        found = (pair for root in roots for pair in _paths(root, alone=len(roots) == 1))
        self.files = [file for full, path in found if (file := self._usable(full, path))]
        if not self.files:
            reasons = f": {'; '.join(self._reasons())}" if self.left_out else ""
            what = "holds no document" if documents else "is a folder without a text file"
            kinds = ".pdf, .png, .jpg, .txt, .md ..." if documents else ".txt, .md, .csv, .json, .html ..."
            message = f"{name} {what} to read{reasons}"
            raise SourceError(message, hint=f"one item is made of each {kinds} file")

    def _usable(self, full: Path, path: str) -> TextFile | None:
        """The file, or None with the reason kept."""
        suffix = full.suffix.lower()
        sent = self.documents and suffix in MEDIA
        most = DOCUMENT_MAX if sent else FIELD_MAX
        reason = ""
        if suffix in NOT_TEXT and not sent:
            reason = f"{suffix} is read by packmule extract" if suffix in MEDIA else f"{suffix} is not read yet"
        try:
            if not reason and not full.is_file():
                reason = "not a regular file"
            if not reason and full.stat().st_size > most:
                reason = f"larger than {most // 10**6} MB"
        except OSError as error:
            reason = f"it cannot be looked at ({error.strerror})"
        if not reason:
            try:
                file = TextFile(full, path, binary=sent)
            except SourceError as error:
                reason = error.message.removeprefix(f"{path} ")
            else:
                reason = "empty" if file.survey.size_bytes == 0 else ""
                reason = reason or ("" if sent or file.survey.encoding else "looks like a binary file")
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
                row = {"name": shown(file.path.name), "path": shown(file.name)}
                media = self._media(file)
                if media is None:
                    with file.open() as stream:
                        row = {"text": stream.read(), **row}
                else:
                    place = shown(str(file.path.resolve()))
                    row |= {"file": place, "media": media, "sha256": file.survey.sha256_hex}
                file.verify()
                if media is not None or row["text"].strip():
                    yield row[key_column or "path"], row
                else:
                    counts.empty += 1

        warnings = [f"{self.name}: {phrase}" for phrase in self._reasons()]
        warnings += [said for file in self.files if self._media(file) is None for said in file.warnings]
        return Table(list(DOCUMENT_COLUMNS if self.documents else COLUMNS), pairs, warnings)

    def _media(self, file: TextFile) -> str | None:
        """The media type of what is sent as it is; None for a text."""
        return MEDIA.get(file.path.suffix.lower()) if self.documents else None

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

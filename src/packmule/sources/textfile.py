"""A file on disk: surveyed once in one pass (digest, size, encoding, longest line), then read as text.

What is read is what was digested: a file that changes in between is an error. No line over `LINE_MAX` bytes
is ever read whole; the survey finds such a line without holding more than a chunk of it.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from msgspec import Struct

from packmule.errors import SourceError
from packmule.sources.encoding import HEAD_BYTES, Utf8Watch, guess, marked
from packmule.sources.table import Fingerprint

CHUNK_BYTES = 1 << 20
SAMPLE_CHARS = 1 << 16
FIELD_MAX = 10_000_000
LINE_MAX = 16_000_000


class LongLine(Struct, frozen=True):
    """The first line over `LINE_MAX`: its 1-based number and where it begins."""

    number: int
    offset: int


class Survey(Struct, frozen=True):
    """What one pass over the bytes found. `encoding` is None when the bytes are not text."""

    sha256_hex: str
    size_bytes: int
    mtime_ns: int
    encoding: str | None
    guessed: bool
    long_line: LongLine | None


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """The file's bytes; what the system refuses is one sentence."""
    try:
        file = path.open("rb")
    except PermissionError:
        message = f"{name} cannot be read: permission denied"
        raise SourceError(message, hint=f"chmod u+r {name}") from None
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror or error}"
        raise SourceError(message) from None
    with file:
        try:
            yield file
        except OSError as error:
            message = f"{name} cannot be read: {error.strerror or error}"
            raise SourceError(message) from error


class _LineWatch:
    """Follows line ends across chunks and keeps the first line that is too long."""

    def __init__(self) -> None:
        self.lines = 0
        self.begin = 0
        self.offset = 0
        self.found: LongLine | None = None

    def feed(self, chunk: bytes) -> None:
        first = chunk.find(b"\n")
        end = self.offset + (len(chunk) if first < 0 else first)
        if self.found is None and end - self.begin > LINE_MAX:
            self.found = LongLine(number=self.lines + 1, offset=self.begin)
        if first >= 0:
            self.lines += chunk.count(b"\n")
            self.begin = self.offset + chunk.rfind(b"\n") + 1
        self.offset += len(chunk)


def survey(path: Path, name: str, *, binary: bool = False) -> Survey:
    """One pass over the file; nothing is asked of the encoding of a `binary` one. Raises SourceError if unreadable."""
    digest, utf8, lines = sha256(), Utf8Watch(), _LineWatch()
    with opened(path, name) as file:
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
        encoding = None if binary else marked(file.read(HEAD_BYTES))
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            lines.feed(chunk)
            if encoding is None and not binary:
                binary = b"\0" in chunk
                utf8.feed(chunk)
    utf8.feed(b"", final=True)
    guessed = encoding is None and not binary and utf8.odd is not None
    if guessed and utf8.odd is not None:
        encoding = guess(utf8.odd)
    elif encoding is None and not binary:
        encoding = "utf-8"
    return Survey(digest.hexdigest(), lines.offset, mtime_ns, encoding, guessed, lines.found)


class TextFile:
    """A surveyed file. `extendable` is set by its format; only UTF-8 files are."""

    def __init__(self, path: Path, name: str, *, binary: bool = False) -> None:
        self.path = path
        self.name = name
        self.survey = survey(path, name, binary=binary)
        self.extendable = False

    @property
    def encoding(self) -> str:
        """The encoding to read with. Raises SourceError when the bytes are not text."""
        if self.survey.encoding is None:
            message = f"{self.name} looks like a binary file"
            raise SourceError(message, hint="give a CSV, JSONL, TXT or Parquet file; save spreadsheets as CSV")
        return self.survey.encoding

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the encoding."""
        if not self.survey.guessed:
            return []
        return [f"{self.name} is not UTF-8; it is read as {self.encoding}: save it as UTF-8 if letters look wrong"]

    @contextmanager
    def open(self, newline: str | None = None) -> Iterator[TextIO]:
        """The text, decoded strictly."""
        encoding = self.encoding
        with opened(self.path, self.name) as raw:
            if encoding == "utf-8-sig":
                raw.seek(len(codecs.BOM_UTF8))
                encoding = "utf-8"
            with TextIOWrapper(raw, encoding=encoding, newline=newline) as file:
                try:
                    yield file
                except UnicodeDecodeError as error:
                    message = f"{self.name} is not readable as {encoding}: {error.reason}"
                    raise SourceError(message, hint="save the file as UTF-8") from None

    def sample(self) -> str:
        """The first characters, line ends as they are."""
        with self.open(newline="") as file:
            return file.read(SAMPLE_CHARS)

    def refuse_long_line(self) -> None:
        """For formats with one row a line: raise SourceError for a line that is too long."""
        long = self.survey.long_line
        if long is not None:
            message = f"{self.name}, line {long.number}: the line is longer than {LINE_MAX // 10**6} MB"
            raise SourceError(message, hint="split the text, or give the documents as a folder of files")

    def fingerprint(self) -> Fingerprint:
        """Digest and size of the surveyed bytes."""
        utf8 = self.survey.encoding in {"utf-8", "utf-8-sig"}
        return Fingerprint(self.survey.sha256_hex, self.survey.size_bytes, self.extendable and utf8)

    def prefix_digest(self, size_bytes: int) -> str | None:
        """Digest of the first bytes when they end at a line end (before or after the newline), else None."""
        if not self.fingerprint().extendable or not 0 < size_bytes <= self.survey.size_bytes:
            return None
        digest, left, last, after = sha256(), size_bytes, b"", b""
        with opened(self.path, self.name) as file:
            while left and (chunk := file.read(min(left, CHUNK_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
                last = chunk[-1:]
            after = file.read(1)
        whole = last == b"\n" or after in {b"", b"\n", b"\r"}
        return digest.hexdigest() if whole and not left else None

    def verify(self) -> None:
        """Raise SourceError when the file is not the surveyed one any more."""
        try:
            stat = self.path.stat()
        except OSError:
            stat = None
        known = (self.survey.size_bytes, self.survey.mtime_ns)
        if stat is None or (stat.st_size, stat.st_mtime_ns) != known:
            message = f"{self.name} changed while it was being read"
            raise SourceError(message, hint="run the command again when nothing writes to the file")

"""Which encoding a text is in. UTF-8 unless a byte order mark or an impossible byte says otherwise.

A guess is only ever made for bytes that are not UTF-8, and is always said. Among encodings that fit
equally well, the one that spreadsheets most often write is taken.
"""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

HEAD_BYTES = 4
AROUND_BYTES = 60_000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = ["cp1252", "cp1251", "cp1253", "cp1254", "cp1250", "cp932", "euc_jp", "gb18030", "big5", "cp949"]


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def guess(sample: bytes) -> str | None:
    """The likeliest encoding of bytes that are not UTF-8, or None when they do not look like text."""
    found = from_bytes(sample, cp_isolation=_LIKELY)
    best = found.best()
    if best is None:
        return None
    equal = [match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    names = {name for match in equal for name in match.could_be_from_charset}
    return next((name for name in _LIKELY if name in names), best.encoding)


class Utf8Watch:
    """Is fed a file's chunks in order and keeps the surroundings of the first byte that is not UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.odd: bytes | None = None

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """The next chunk; `final` with the last, which may be empty."""
        if self.odd is not None:
            return
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            whole: bytes = error.object
            self.odd = whole[max(0, error.start - AROUND_BYTES) : error.start + AROUND_BYTES]

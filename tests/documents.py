"""PDF documents for tests: harmless ones from the example's own writer, and such as are made to do harm."""

from __future__ import annotations

import io
import zlib

from pypdf import PdfReader, PdfWriter

from packmule.checks.loading import module_of
from tests.cli.command import EXAMPLES

make = module_of(EXAMPLES / "make_invoices.py")
_PAGES = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def written(*lines: str) -> bytes:
    """One column of text."""
    return bytes(make.pdf([[(60, line)] if line else [] for line in lines]))


def drawing(content: bytes, packed: bytes = b"") -> bytes:
    """One page with this content stream."""
    stream = b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), packed, content)
    return bytes(make.assembled([*_PAGES, _PAGE, stream, _FONT]))


def bomb() -> bytes:
    """A few hundred kilobytes that unpack to more than a gigabyte."""
    packer, out = zlib.compressobj(), b""
    for _ in range(1200):
        out += packer.compress(b" " * 1_000_000)
    return drawing(out + packer.flush(), b"/Filter/FlateDecode")


def loop() -> bytes:
    """Pages that hold themselves."""
    return bytes(make.assembled([_PAGES[0], b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"]))


def encrypted(password: str) -> bytes:
    """A text behind a password; '' locks nothing."""
    writer, out = PdfWriter(clone_from=PdfReader(io.BytesIO(written("Secret: none")))), io.BytesIO()
    writer.encrypt(password, "owner", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()

"""Runs by itself, as a process of its own: a PDF on standard input, its pages' text as JSON on standard output.

Whatever a document is made to do (unpack without end, point at itself, eat memory) ends here, within the limits that
are given as arguments: CPU seconds, bytes of memory, pages, characters of text. Imports nothing of packmule.
"""

from __future__ import annotations

import json
import logging
import sys
from io import BytesIO


def limit(cpu_s: int, memory: int) -> None:
    """Bound this process; it may write no file at all."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, where the time limit alone remains
    except ImportError:
        return
    for what, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def read(data: bytes, pages_max: int, chars_max: int) -> dict[str, object]:
    """`{"pages": [...]}`, or `{"trouble": kind, "detail": words}`."""
    from pypdf import PdfReader  # noqa: PLC0415 - under the limits
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    logging.disable()
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"trouble": "encrypted"}
        count, chars = len(reader.pages), 0
        if count > pages_max:
            return {"trouble": "pages", "detail": f"{count:,}"}
        pages = []
        for page in reader.pages:
            pages.append(page.extract_text())
            chars += len(pages[-1])
            if chars > chars_max:
                return {"trouble": "chars"}
    except (MemoryError, RecursionError):
        return {"trouble": "memory"}
    except PyPdfError as error:
        kind = type(error).__name__
        if kind == "DependencyError":
            return {"trouble": "encrypted"}
        return {"trouble": "memory" if kind == "LimitReachedError" else "damaged", "detail": str(error)}
    except Exception as error:  # noqa: BLE001 - a damaged document may raise anything
        return {"trouble": "damaged", "detail": f"{type(error).__name__}: {error}"}
    return {"pages": pages}


def main() -> None:
    """Read one document."""
    cpu_s, memory, pages_max, chars_max = map(int, sys.argv[1:5])
    limit(cpu_s, memory)
    data = sys.stdin.buffer.read()
    sys.stdout.write(json.dumps(read(data, pages_max, chars_max)))


if __name__ == "__main__":
    main()

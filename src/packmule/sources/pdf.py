"""The text of a PDF document, page by page, read by a process of its own that cannot do harm.

A document that is damaged, encrypted or made to stall its readers is one sentence; whoever reads others goes on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from packmule.errors import SourceError

CPU_S = 20
WALL_S = 60.0
MEMORY_BYTES = 1 << 30
PAGES_MAX = 2_000
CHARS_MAX = 2_000_000
PAGE_END = "\n\f\n"
"""Parts the pages of a document's text."""

_CHILD = Path(__file__).with_name("pdf_child.py")
_DETAIL_CHARS = 120
_OUT_OF_TIME = {-getattr(signal, name, 0) for name in ("SIGXCPU", "SIGKILL")}
_SENTENCES = {
    "encrypted": ("is encrypted with a password", "save a copy without one"),
    "pages": (f"has {{detail}} pages, and more than {PAGES_MAX:,} are not read", "split it"),
    "chars": (f"holds more than {CHARS_MAX // 10**6} million characters of text", "split it"),
    "memory": ("unpacks to more than is safe to read", "it is damaged, or made to harm its readers"),
    "time": (f"takes more than {CPU_S} s to read", "it is damaged, or made to stall its readers"),
    "damaged": ("is no readable PDF: {detail}", "open it in a viewer and save it again"),
    "died": ("could not be read: its reader died", "it is damaged, or made to harm its readers"),
}


def read_pdf(data: bytes, name: str) -> list[str]:
    """The text of every page. Raises SourceError with what is wrong with the document; `name` is for people."""
    found = _read_apart(data)
    if "trouble" in found:
        what, hint = _SENTENCES[found["trouble"]]
        detail = " ".join(str(found.get("detail", "")).split())[:_DETAIL_CHARS]
        message = f"{name} {what.format(detail=detail)}"
        raise SourceError(message, hint=hint)
    pages: list[str] = found["pages"]
    return pages


def _read_apart(data: bytes) -> dict[str, Any]:
    """What the other process says, or what became of it."""
    limits = [str(limit) for limit in (CPU_S, MEMORY_BYTES, PAGES_MAX, CHARS_MAX)]
    command = [sys.executable, "-I", str(_CHILD), *limits]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=WALL_S, check=False)  # noqa: S603 - ours
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"trouble": "time"}
    except ValueError:
        if done.returncode in _OUT_OF_TIME:
            return {"trouble": "time"}
        return {"trouble": "memory" if b"MemoryError" in done.stderr else "died"}
    return found


def joined(pages: list[str]) -> tuple[str, list[int]]:
    """The text of all pages, and the offset at which each begins."""
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page) + len(PAGE_END)
    return PAGE_END.join(pages), starts

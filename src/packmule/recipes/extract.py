"""One document an item: values out of it by the user's schema and where each of them stands, or an answer in words.

Quotes are asked for beside the values and located afterwards: a value without a true quote is listed, not refused. PDF
and images go out as they are to models that read them; to others a PDF goes as its text. Citations always speak of the
document's text, for a PDF the text of its pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from packmule.checks.citations import Document, cite
from packmule.checks.evidence import EVIDENCE, VALUES, with_evidence
from packmule.checks.schema import Schema
from packmule.core.items import Item
from packmule.errors import SourceError
from packmule.sources.pdf import joined, read_pdf

_FOLDER = files("packmule.recipes")
_PROMPT = (_FOLDER / "extract.md").read_text(encoding="utf-8")
_PLAIN = (_FOLDER / "document.md").read_text(encoding="utf-8")
_EVIDENCE = (_FOLDER / "extract_evidence.md").read_text(encoding="utf-8")
PDF = "application/pdf"

Attached = list[tuple[str, bytes]]


class Extract:
    """How documents are asked about; without a schema in words. `native`: every model of the batch reads PDF itself."""

    def __init__(self, schema: Schema | None, instruction: str | None, *, cited: bool, native: bool) -> None:
        self._asked = with_evidence(schema) if cited and schema is not None else schema
        self._instruction = instruction or ""
        self._cited = cited
        self._native = native

    def prompt(self, row: Mapping[str, Any], text: str | None = None) -> str:
        """What is asked about a document: its text is in the prompt, or the document goes along."""
        text = row.get("text", text)
        document = "The document is attached." if text is None else f"<document>\n{text}\n</document>"
        evidence = _EVIDENCE if self._cited else ""
        words = _PLAIN if self._asked is None else _PROMPT
        return words.format(
            name=row["path"], instruction=self._instruction, evidence=evidence, document=document
        ).strip()

    def preview(self, row: Mapping[str, Any]) -> str:
        """The prompt before the document is read."""
        return self.prompt(row, None if self._native or row.get("media") != PDF else f"(the text of {row['path']})")

    def recipe(self, retries_invalid: int) -> Callable[..., Any]:
        """The recipe. Its output is the values, with citations `{"result", "citations", "unsupported"}`."""

        async def recipe(item: Item, ask: Callable[..., Any]) -> object:
            document, attach = await self._read(item)
            prompt = self.prompt(item.data, None if attach else document.text)
            reply = await ask(prompt, schema=self._asked, attach=attach)
            if not self._cited:
                return reply.text if self._asked is None else reply
            item.phase("validating")
            values, evidence = reply.value[VALUES], reply.value[EVIDENCE]
            cited = await asyncio.to_thread(cite, values, evidence, document)
            return {"result": values, "citations": cited.citations, "unsupported": cited.unsupported}

        recipe.calls_max = 1 if self._asked is None else 1 + retries_invalid  # type: ignore[attr-defined]
        return recipe

    async def _read(self, item: Item) -> tuple[Document, Attached]:
        """The document's text, and what goes along. Raises SourceError for a document that cannot be used."""
        row, name = item.data, str(item["path"])
        if "text" in row:
            return Document(row["text"], name), []
        data = await asyncio.to_thread(_bytes_of, row)
        if row["media"] != PDF:
            return Document("", name), [(row["media"], data)]
        # Journaled, so that a replay asks the same whatever reads the document by then.
        text, starts = joined(await item.note("pages", lambda: asyncio.to_thread(read_pdf, data, name)))
        if not text.strip() and not (self._native and not self._cited):
            message = f"{name} has no text layer: it is a picture of a text"
            raise SourceError(message, hint="recognise its text first (OCR), and give the PDF that comes of it")
        return Document(text, name, starts), [(PDF, data)] if self._native else []


def _bytes_of(row: Mapping[str, Any]) -> bytes:
    """The file of a row. Raises SourceError when it is not the one that the batch began with."""
    try:
        data = Path(row["file"]).read_bytes()
    except OSError as error:
        message = f"{row['path']} cannot be read at {row['file']}: {error.strerror}"
        raise SourceError(message) from None
    if sha256(data).hexdigest() != row["sha256"]:
        message = f"{row['path']} has changed since the batch began"
        raise SourceError(message, hint="begin a new batch with it")
    return data

"""Rows, files, folders and Python objects become `SourceItem`s, streamed: never the whole input in memory."""

from packmule.sources.opening import open_source
from packmule.sources.source import Source
from packmule.sources.table import Counts, Fingerprint
from packmule.sources.template import Template, prompt_column

__all__ = ["Counts", "Fingerprint", "Source", "Template", "open_source", "prompt_column"]

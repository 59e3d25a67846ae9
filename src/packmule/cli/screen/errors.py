"""Why items failed, grouped by cause, below the picture."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from packmule.cli.screen.glyphs import Glyphs
from packmule.cli.screen.layout import cut, styled
from packmule.views.causes import Cause

SHOWN = 5
HELPS = {"yes": "a retry can help", "change": "a retry helps with a change", "no": "no retry helps"}


def error_lines(causes: Sequence[Cause], width: int, glyphs: Glyphs) -> list[Text]:
    """The commonest causes with their counts, and whether a retry can help."""
    lines = [styled((cut(_line(cause), width, glyphs), "red")) for cause in causes[:SHOWN]]
    if rest := sum(cause.count for cause in causes[SHOWN:]):
        lines.append(styled((cut(f"  {rest:,} more: packmule errors", width, glyphs), "dim")))
    return lines


def _line(cause: Cause) -> str:
    return f"  {cause.count:,} x {cause.name} ({HELPS[cause.verdict.helps]}): {cause.shown}"

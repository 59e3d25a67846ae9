"""Why items failed, grouped, below the picture."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from packmule.cli.screen.glyphs import Glyphs
from packmule.cli.screen.layout import cut, styled

SHOWN = 5


def error_lines(failures: Sequence[tuple[str, int]], width: int, glyphs: Glyphs) -> list[Text]:
    """The commonest reasons with their counts."""
    return [styled((cut(f"  {count:,} x {reason}", width, glyphs), "red")) for reason, count in failures[:SHOWN]]

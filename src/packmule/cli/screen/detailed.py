"""The detailed view: bar, money, pace, what is left, and a table of items as high as the terminal allows.

Below 60 columns one line is all that fits, and below 40 a count.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from packmule.cli.say import one_line
from packmule.cli.screen.glyphs import STYLES, Glyphs, bar
from packmule.cli.screen.layout import cut, folded, joined, padded, styled
from packmule.views.progress import Line, Progress
from packmule.views.wording import cost, left, money, pace, short, status, troubles

WIDE, MIDDLE, NARROW, TINY = 100, 80, 60, 40
HEAD_ROWS = 5
FOOT_ROWS = 3
KEYS = ["P pause", "Q stop", "D detail", "E errors", "+ - width", "? help"]
KEYS_PAUSED = ["P go on", *KEYS[1:]]
KEYS_STOPPING = ["D detail", "E errors", "? help"]
LABEL_STYLES = {"running": "green", "paused": "yellow", "pausing": "yellow", "throttled": "yellow", "stalled": "red"}


def rows_for(height: int) -> int:
    """How many items fit below the head: titles and keys take their rows too."""
    return max(1, height - HEAD_ROWS - FOOT_ROWS - 1)


def detailed(
    progress: Progress, width: int, room: int, glyphs: Glyphs, *, keys: bool = True, costs: bool = True
) -> list[Text]:
    """At most HEAD_ROWS + room + FOOT_ROWS lines, none wider than `width`."""
    if width < NARROW:
        return compact(progress, width, glyphs)[:1]
    lines = [*head(progress, width, glyphs), *table(progress, width, room, glyphs, costs=costs)]
    if keys and progress.running:
        other = {"paused": KEYS_PAUSED, "pausing": KEYS_PAUSED, "stopping": KEYS_STOPPING}
        names = other.get(progress.label, KEYS)
        lines.append(styled((f"  {joined(names, width - 2, glyphs)}", "dim")))
    return lines


def head(progress: Progress, width: int, glyphs: Glyphs) -> list[Text]:
    """The bar, and up to four lines of figures."""
    end = [part for part in (left(progress), *troubles(progress)) if part]
    below = folded(money(progress), width - 2, glyphs, 2)
    below += [joined(parts, width - 2, glyphs) for parts in (pace(progress), end) if parts]
    return [headline(progress, width, glyphs), *(styled((f"  {line}", "")) for line in below)]


def headline(progress: Progress, width: int, glyphs: Glyphs) -> Text:
    """Name, count, bar, share, state, id."""
    count, share = f"{progress.done:,}/{progress.wanted:,}", f"{int(progress.share):>3}%"
    tail = f"  {progress.label}"
    batch = f"  {progress.batch_id}" if width >= MIDDLE else ""
    name = cut(progress.name or progress.batch_id, max(8, width // 4), glyphs)
    space = width - sum(map(len, (count, share, tail, batch))) - cell_len(name) - 5
    done, rest = bar(progress.done, progress.wanted, max(4, min(40, space)), glyphs)
    style = LABEL_STYLES.get(progress.label, "bold")
    pieces = [(name, "bold"), (f"  {count} ", ""), (done, "green"), (rest, "dim"), (f" {share}", "")]
    line = styled(*pieces, (tail, style), (batch, "dim"))
    line.truncate(width)
    return line


def compact(progress: Progress, width: int, glyphs: Glyphs) -> list[Text]:
    """Two lines; one when it is narrow, a bare count when there is hardly room."""
    count = f"{progress.done}/{progress.wanted} {int(progress.share)}%"
    if width < TINY:
        return [styled((cut(count, width, glyphs), ""))]
    spent = money(progress)
    if width < NARROW:
        return [styled((joined([f"{count} {progress.label}", spent[0], *troubles(progress)], width, glyphs), ""))]
    parts = [part for part in (left(progress), spent[0], *troubles(progress), *spent[1:], *pace(progress)) if part]
    return [headline(progress, width, glyphs), styled((f"  {joined(parts, width - 2, glyphs)}", ""))]


def table(progress: Progress, width: int, room: int, glyphs: Glyphs, *, costs: bool = True) -> list[Text]:
    """One line an item, titles above, what is not shown counted below."""
    lines = progress.lines[:room]
    if not lines:
        return []
    columns = _columns(lines, width, costs=costs)
    found = [_titles(columns, glyphs)] + [_row(line, columns, glyphs) for line in lines]
    if hidden := progress.total - len(lines):
        found.append(styled((f"  +{hidden:,} more", "dim")))
    return found


def _columns(lines: tuple[Line, ...], width: int, *, costs: bool) -> dict[str, int]:
    """Width of each column: #, id, status, time, cost; time and (where wanted) cost only from 80 columns on."""
    number = max(2, len(f"{max(line.number for line in lines)}"))
    figures = {"time": 8, **({"cost": 10} if costs else {})} if width >= MIDDLE else {}
    key = min(max(8, *(cell_len(one_line(line.key)) for line in lines)), 40 if width >= WIDE else 24)
    used = 2 + number + 2 + key + 2 + sum(figures.values()) + 2 * len(figures)
    return {"#": number, "id": key, "status": max(10, min(60, width - used)), **figures}


def _titles(columns: dict[str, int], glyphs: Glyphs) -> Text:
    cells = [padded(name, size, glyphs, right=name in {"#", "time", "cost"}) for name, size in columns.items()]
    return styled(("  " + "  ".join(cells), "dim"))


def _row(line: Line, columns: dict[str, int], glyphs: Glyphs) -> Text:
    said = f"{glyphs.states.get(line.state, ' ')} {status(line)}"
    pieces = [
        ("  " + padded(str(line.number), columns["#"], glyphs, right=True) + "  ", "dim"),
        (padded(one_line(line.key), columns["id"], glyphs) + "  ", ""),
        (padded(said, columns["status"], glyphs), STYLES.get(line.state, "")),
    ]
    if "time" in columns:
        going = "" if line.state in {"completed", "failed", "blocked", "skipped", "cancelled"} else glyphs.more
        time = "--" if line.time_s is None else f"{short(line.time_s)}{going}"
        pieces.append(("  " + padded(time, columns["time"], glyphs, right=True), ""))
    if "cost" in columns:
        pieces.append(("  " + padded(cost(line), columns["cost"], glyphs, right=True), ""))
    return styled(*pieces)

"""Every view at every width, as people see it: the pictures lie in `screens/` (PACKMULE_SCREENS=write renews them)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from packmule.cli.screen.detailed import compact, detailed, rows_for
from packmule.cli.screen.errors import error_lines
from packmule.cli.screen.glyphs import ASCII, UNICODE, bar
from packmule.cli.screen.layout import cut
from packmule.core.eta import Forecast
from packmule.views.causes import Cause
from packmule.views.progress import Line, Progress, Waits
from packmule.views.projection import Projection
from packmule.views.wording import block

SCREENS = Path(__file__).parent / "screens"
WIDTHS = (100, 80, 60, 50, 40, 30)
PICO = 10**12
NOON_US = 1_795_000_000 * 1_000_000

MANY = (
    Line(413, "inv_0412.pdf", "generating", "", 7.2, 0.0, 0),
    Line(414, "inv_0413.pdf", "validating", "", 1.1, 0.0, PICO // 100),
    Line(405, "inv_0404.pdf", "retrying", "retry 2/3: server error", 31.0, 6.2, 0, PICO // 50),
    Line(406, "inv_0405.pdf", "retrying", "waits: rate limit", 3.0, 12.0, 0),
    Line(398, "inv_0397.pdf", "failed", "the answer lacks total_amount", 12.5, 0.0, PICO // 90, PICO // 50),
    Line(391, "東京の請求書-très-long-name-of-a-file.pdf", "blocked", "item cap $0.05", 2.0, 0.0, PICO // 20),
    Line(412, "inv_0411.pdf", "completed", "", 65.0, 0.0, PICO // 110),
)
FEW = tuple(
    # What failed without an answer may have been billed.
    Line(n + 1, f"persona-{name}", state, reason, time_s, wait_s, cost, PICO // 25 if state == "failed" else 0)
    for n, (name, state, reason, time_s, wait_s, cost) in enumerate(
        [
            ("a1b2c3", "completed", "", 12.3, 0.0, PICO * 12 // 100),
            ("d4e5f6", "completed", "", 11.8, 0.0, PICO * 12 // 100),
            ("g7h8i9", "validating", "", 1.0, 0.0, PICO * 12 // 100),
            ("j0k1l2", "generating", "", 8.2, 0.0, 0),
            ("m3n4o5", "retrying", "retry 1/3: timeout", 2.0, 5.0, 0),
            ("p6q7r8", "paused", "", 4.0, 0.0, 0),
            ("s9t0u1", "failed", "no answer in time", 600.0, 0.0, 0),
            ("v2w3x4", "pending", "", None, 0.0, 0),
        ]
    )
)


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    """Clock times are local: here it is UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def progress(**given: Any) -> Progress:
    known: dict[str, Any] = {
        "batch_id": "batch-2026-11-24-k3x9ab",
        "state": "running",
        "label": "running",
        "reason": "",
        "total": 1_250,
        "completed": 401,
        "failed": 9,
        "skipped": 2,
        "blocked": 1,
        "cancelled": 0,
        "pending": 837,
        "in_flight": 8,
        "settled": 3_210_000_000_000,
        "unknown": 40_000_000_000,
        "held": 90_000_000_000,
        "cap": 10 * PICO,
        "tokens_in": 1_000,
        "tokens_out": 500,
        "at": NOON_US,
        "name": "invoices.csv",
        "width": 8,
        "concurrency": 8,
        "per_min": 58.4,
        "p50_s": 6.1,
        "p95_s": 19.0,
        "eta": Forecast(540.0, 610.0, 720.0, "session"),
        "projection": Projection(8_000_000_000, 9_600_000_000_000, 9_900_000_000_000, 10_300_000_000_000),
        "lines": MANY,
    }
    return Progress(**{**known, **given})


STATES: dict[str, Progress] = {
    "running": progress(),
    "throttled": progress(
        label="throttled", in_flight=0, held=0, waits=(Waits("openai/gpt-5-mini", 12.4, "rate limit"),), eta=None
    ),
    "paused": progress(label="paused", state="paused", in_flight=0, held=0, width=4),
    "few": progress(
        total=8, completed=2, failed=1, skipped=0, blocked=0, pending=5, lines=FEW, name="personas", cap=None,
        settled=PICO * 36 // 100, projection=Projection(PICO * 12 // 100, PICO * 97 // 100, PICO, PICO),
        eta=Forecast(20.0, 31.0, 58.0, "history"),
    ),
    "stopped": progress(
        label="stopped", state="stopped", reason="budget", in_flight=0, held=0, eta=None, lines=MANY[4:]
    ),
    "stopping": progress(label="stopping", in_flight=3, held=33_000_000_000, width=1, concurrency=1),
    "cancelled": progress(
        label="cancelled", state="cancelled", reason="cancelled", in_flight=0, held=0, eta=None, pending=0,
        cancelled=837, projection=None, lines=MANY[4:], cap_stops=False,
    ),
    "unknown": progress(
        completed=0, failed=0, skipped=0, blocked=0, pending=1_250, settled=0, unknown=0, held=0, cap=None, eta=None,
        projection=None, per_min=None, p50_s=None, p95_s=None, lines=(),
    ),
}  # fmt: skip


def seen(name: str, text: str) -> None:
    """Compare with the picture that was looked at, or renew it."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get("PACKMULE_SCREENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n", f"{name} looks otherwise; look at it, then renew it"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_the_detailed_view(state: str, width: int) -> None:
    lines = [line.plain.rstrip() for line in detailed(STATES[state], width, 12, UNICODE)]
    assert max(map(cell_len, lines)) <= width
    seen(f"detailed-{state}-{width}", "\n".join(lines))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_the_compact_view(state: str, width: int) -> None:
    lines = [line.plain.rstrip() for line in compact(STATES[state], width, UNICODE)]
    assert len(lines) <= 2
    assert max(map(cell_len, lines)) <= width
    seen(f"compact-{state}-{width}", "\n".join(lines))


@pytest.mark.parametrize("state", STATES)
def test_in_ascii_all_of_it_is_ascii(state: str) -> None:
    text = "\n".join(line.plain.rstrip() for line in detailed(STATES[state], 100, 12, ASCII))
    assert text.isascii()
    seen(f"ascii-{state}-100", text)


@pytest.mark.parametrize("state", STATES)
def test_the_block_of_a_log(state: str) -> None:
    seen(f"log-{state}", block(STATES[state]))


@pytest.mark.parametrize("height", [5, 10, 24, 60])
def test_a_picture_is_never_higher_than_its_terminal(height: int) -> None:
    big = progress(lines=MANY * 20)
    assert len(detailed(big, 100, rows_for(height), UNICODE)) <= max(9, height)


def test_what_is_shown_and_what_is_not_add_up() -> None:
    lines = [line.plain for line in detailed(progress(lines=MANY * 3), 100, 10, UNICODE)]
    assert any("+1,240 more" in line for line in lines)


@pytest.mark.parametrize(("done", "total", "full"), [(0, 10, 0), (5, 10, 10), (10, 10, 20), (999, 1000, 19), (0, 0, 0)])
def test_a_bar_is_full_only_when_all_is_done(done: int, total: int, full: int) -> None:
    first, rest = bar(done, total, 20, UNICODE)
    assert first.count("━") == full
    assert len(first + rest) == 20


def test_model_output_cannot_steer_the_terminal() -> None:
    assert cut("a\x1b[31mred\nnext\x07", 40, UNICODE) == "a [31mred next"
    cause = Cause("timeout", "\x1b]0;title\x07 broke", 3, samples=[("a1", "\x1b]0;title\x07 broke")])
    assert all("\x1b" not in line.plain for line in error_lines([cause], 80, UNICODE))

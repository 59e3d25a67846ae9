"""What people are told: whole words and whole commands on a terminal, and nothing that they did not want to hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from packmule.cli.say import folded
from tests.cli.command import MODEL, PROMPT, packmule, rows
from tests.cli.terminal import Terminal

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out")
RESUME = "packmule resume batch-2026-11-24-idptlj --max-cost MORE"
EXPORT = "packmule export batch-2026-11-24-idptlj -o FILE"
WORDS = (
    f"Go on with the same command and a higher --max-cost, or: {RESUME}",
    f"Note: the results in out will be replaced; {EXPORT} writes them again, as they were at the end of that batch",
    "packmule: place/checkpoint.json is of another batch, which is in no store here: its answers would be gone.",
)


@pytest.mark.parametrize("width", [40, 60, 79])
@pytest.mark.parametrize("text", WORDS)
def test_a_long_line_is_folded_at_words_and_no_command_is_cut(text: str, width: int) -> None:
    lines = folded(text, width).split("\n")
    assert " ".join(line.strip() for line in lines) == text
    for line in lines:
        assert len(line) <= width or line.startswith(("packmule resume", "packmule export"))
    for command in (RESUME, EXPORT):
        assert text.count(command) == sum(command in line for line in lines)


def test_what_follows_stands_below_where_it_began() -> None:
    assert folded("  output   a12: two words", 18) == "  output   a12:\n  two words"
    assert folded("packmule: that is more than fits.", 24) == "packmule: that is more\n      than fits."
    assert folded("$ packmule run rows.csv with words", 20) == "$ packmule run rows.csv with words"


def test_a_narrow_terminal_gets_whole_words(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    with Terminal(tmp_path, *RUN, "--limit", "2", columns=50, rows=40) as terminal:
        assert terminal.end() == 0
        lines = terminal.text.splitlines()
    assert "  Summarise in one line: The lamp number 0 is" in lines
    assert "  bright and the box was torn." in lines


def test_quiet_says_its_last_line_and_none_says_nothing(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    quiet = packmule(tmp_path, *RUN, "--progress", "quiet")
    assert [line.split(" ", 1)[1] for line in quiet.lines] == ["finished: 3 of 3 done, <$0.0001 spent"]
    again = packmule(tmp_path, *RUN, "--progress", "quiet")
    assert len(again.lines) == 1
    assert "is finished: 3 of 3 done" in again.err
    none = packmule(tmp_path, *RUN, "--fresh", "--progress", "none")
    assert none.err == ""
    assert quiet.out == none.out == "out/results.jsonl\n"


@pytest.mark.parametrize("mode", ["quiet", "none"])
def test_errors_and_what_was_asked_for_are_said_in_any_mode(tmp_path: Path, mode: str) -> None:
    rows(tmp_path, 3)
    gone = packmule(tmp_path, "run", "gone.csv", "--prompt", "x", *MODEL, "--progress", mode)
    assert gone.code == 2
    assert "gone.csv" in gone.err
    assert "Estimate: " in packmule(tmp_path, *RUN, "--dry-run", "--progress", mode).err
    paid = ("run", "rows.csv", "--prompt", PROMPT, "-m", "openai/gpt-5-mini", "--progress", mode)
    with Terminal(tmp_path, *paid, env={"OPENAI_API_KEY": "sk-canary"}) as terminal:
        terminal.wait_for("Estimate: ", "Spend it? [y/N]")
        terminal.press("n\n")
        assert terminal.end() == 2

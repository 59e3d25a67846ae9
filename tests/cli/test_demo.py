"""The demo: everything is seen, by the real command; a kill loses nothing; the picture stands."""

from __future__ import annotations

import os
import re
import signal
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from packmule.cli.demo.command import DATA, SHIPPED
from packmule.cli.demo.narrator import load_story
from tests.cli.command import ROOT, packmule, start
from tests.cli.terminal import Terminal


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("packmule-demo-")]


def test_the_bad_day_is_told_and_its_books_add_up(tmp_path: Path) -> None:
    said = packmule(tmp_path, "demo", "--pace", "0.06", "--progress", "log", env={"TMPDIR": str(tmp_path)})
    assert said.code == 0, said.err
    assert "# Paused: nothing goes out. The other terminal types: packmule unpause." in said.err
    assert re.search(r"stopped \(budget\): \d\d of 60 done", said.err)
    assert "it takes a cap of at least" in said.err
    assert re.search(r"resuming batch-\S+: \d\d of 60 done", said.err)
    books = re.search(r"The books: 60 items, (\d+) done, (\d+) failed; \$0\.0\d+ spent, \$0\.00 unknown", said.err)
    assert books, said.err
    assert int(books[1]) + int(books[2]) == 60
    assert re.search(r"[1-9]\d* answers? 429", said.err)
    assert re.search(r"[1-9]\d* answers? that did not fit the schema", said.err)
    assert said.err.endswith(
        "# The demo's folder is removed: the batch that its commands name, and the results, are gone with it.\n"
    )
    assert "packmule demo --crash" in said.err.split("What to type next:")[1]
    assert left_over(tmp_path) == []


def test_the_demo_keeps_away_from_the_stores_of_others(tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    env = {"TMPDIR": str(tmp_path), "PACKMULE_STORE": str(mine)}
    assert packmule(tmp_path, "demo", "--pace", "0.02", "--progress", "none", env=env).code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_kill_in_the_middle_loses_nothing_and_the_bill_says_so(tmp_path: Path) -> None:
    said = packmule(tmp_path, "demo", "--crash", "--pace", "0.4", "--progress", "none", env={"TMPDIR": str(tmp_path)})
    assert said.code == 0, said.err
    killed = re.search(r"# SIGKILL to process \d+: (\d+) items? done, (\d+) calls on their way", said.err)
    assert killed, said.err
    assert 20 <= int(killed[1]) < 60
    assert re.search(r"answers lost +0   of 60 items", said.err)
    twice = re.search(r"items paid twice +(\d+) ", said.err)
    assert twice
    assert int(twice[1]) <= int(killed[2])
    assert re.search(rf"the provider's bill +{60 + int(twice[1])} ", said.err)
    assert re.search(r"our books, settled +60 ", said.err)
    assert "The books hold." in said.err
    assert left_over(tmp_path) == []


def test_on_a_terminal_the_picture_stands_below_what_is_told(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--pace", "0.5", rows=36, env={"TMPDIR": str(tmp_path)}) as terminal:
        shown = terminal.wait_for("# A provider in a box", "tickets.csv", "status", "generating", "P pause")
        lines = shown.splitlines()
        told = next(n for n, line in enumerate(lines) if line.startswith("# A provider in a box"))
        picture = next(n for n, line in enumerate(lines) if line.startswith("tickets.csv"))
        assert told < picture
        terminal.wait_for("# The provider answers 429")
        terminal.signal(signal.SIGINT)
        assert terminal.end() == -signal.SIGINT
        assert terminal.restored
        assert "packmule resume batch-" in terminal.text
    assert left_over(tmp_path) == []


def test_q_ends_the_demo_with_the_code_of_its_command(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", rows=36, env={"TMPDIR": str(tmp_path)}) as terminal:
        terminal.wait_for("tickets.csv", "generating", "P pause")
        terminal.press("q")
        assert terminal.end() == 5
        assert "The demo ends here" in terminal.text


def test_a_killed_picture_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--crash", "--pace", "0.4", rows=40, env={"TMPDIR": str(tmp_path)}) as terminal:
        terminal.wait_for("# SIGKILL to process", "# The same command again:")
        terminal.wait_for("The books hold.")
        assert terminal.end() == 0
        assert terminal.restored
        assert not terminal.screen.cursor.hidden


def test_ctrl_c_in_the_second_half_finishes_what_is_on_its_way_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--crash", rows=40, env={"TMPDIR": str(tmp_path)}) as terminal:
        terminal.wait_for("# SIGKILL to process")
        terminal.wait_for("unknown $")
        terminal.look(1.5)
        terminal.press("\x03")
        assert terminal.end() == -signal.SIGINT
        assert terminal.restored
        assert "stopped: " in terminal.text, terminal.text
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_killed_demo_leaves_no_process_and_no_folder(tmp_path: Path, number: int) -> None:
    with start(tmp_path, "demo", "--crash", "--progress", "none", env={"TMPDIR": str(tmp_path)}) as demo:
        await_(lambda: len(processes_in(tmp_path)) == 4, "demo, sweeper, provider and command")
        demo.send_signal(number)
        assert demo.wait() == -number
        await_(lambda: processes_in(tmp_path) == [] and left_over(tmp_path) == [], "nothing")


def processes_in(folder: Path) -> list[str]:
    """Process ids of those whose current folder lies there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(process.name)
    return found


def await_(seen: Callable[[], bool], what: str) -> None:
    for _ in range(200):
        if seen():
            return
        time.sleep(0.1)
    raise AssertionError(f"not seen: {what}")


def test_every_step_of_the_story_is_one_line_of_one_sentence_or_two() -> None:
    story = load_story(DATA / "story.toml")
    for step in (*story.first, *story.second):
        assert len(step.say) <= 98, step.say
        assert "\n" not in step.say


def test_the_wheel_holds_the_shipped_data(tmp_path: Path) -> None:
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = build_wheel(str(tmp_path))
    finally:
        os.chdir(before)
    names = zipfile.ZipFile(tmp_path / wheel).namelist()
    for name in (*SHIPPED, "story.toml", "end.md", "verdict.md"):
        assert f"packmule/cli/demo/{name}" in names


def test_the_picture_in_the_docs_is_of_the_detailed_view() -> None:
    svg = (ROOT / "docs" / "detailed.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    for word in ("#  id", "status", "time", "cost", "generating", "done", "of $1.00 cap", "calls busy"):
        assert word in svg, word
    assert "@font-face" not in svg
    assert "/tmp/" not in svg

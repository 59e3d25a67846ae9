"""The picture while a batch runs, in a real pseudo-terminal: keys, signals, sizes, another terminal."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.cli.command import MODEL, PROMPT, packmule, rows, slow
from tests.cli.terminal import Terminal

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--concurrency", "4")


def batch(folder: Path, count: int = 200, median_s: float = 0.4) -> tuple[str, ...]:
    """A command for a batch that takes its time."""
    rows(folder, count)
    return (*RUN, *slow(folder, median_s))


def done(text: str) -> int:
    found = re.search(r"(\d+)/200", text)
    assert found, text
    return int(found[1])


def test_p_pauses_and_goes_on_and_q_stops(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("generating", "✓ done", "P pause")
        assert not terminal.restored
        terminal.press("p")
        terminal.wait_for("Paused. P goes on.", "paused", "P go on", "0 of 4 calls busy")
        before = done(terminal.text)
        assert done(terminal.look(1.0)) == before
        terminal.press("P")
        terminal.wait_for("running", "generating")
        while done(terminal.look(0.2)) == before:
            pass
        terminal.press("q")
        assert terminal.end() == 5
        assert terminal.restored
        assert "packmule resume batch-" in terminal.text
    assert "stopped (person)" in packmule(tmp_path, "show").out


def test_keys_that_steer_do_nothing_once_it_stops(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path, median_s=6.0)) as terminal:
        terminal.wait_for("4 of 4 calls busy", "P pause")
        terminal.press("q")
        text = terminal.wait_for("stopping  batch-", "D detail")
        assert "P pause" not in text
        terminal.press("p")
        terminal.wait_for("Stopping already: 4 calls finish; packmule stop batch-")


def test_a_batch_that_fits_is_shown_in_input_order_with_every_item(tmp_path: Path) -> None:
    rows(tmp_path, 8)
    with Terminal(tmp_path, *RUN, *slow(tmp_path, 1.0)) as terminal:
        terminal.wait_for("· queued", "● generating")
        shown = [line.split()[1] for line in terminal.text.splitlines() if re.match(r"\s+\d+  a\d", line)]
        assert shown == [f"a{n}" for n in range(8)]
        assert terminal.end() == 0
        assert terminal.text.count("✓ done") == 8
        assert "8/8" in terminal.text


def test_ctrl_c_once_finishes_what_is_on_its_way(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path, median_s=1.0)) as terminal:
        terminal.wait_for("4 of 4 calls busy")
        terminal.press("\x03")
        terminal.wait_for("Finishing 4 calls", "Ctrl+C again drops them")
        assert terminal.end() == -signal.SIGINT
        assert terminal.restored
    assert "$0.00 unknown" in packmule(tmp_path, "show").out


def test_ctrl_c_twice_drops_it_and_counts_it_as_unknown(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path, median_s=20)) as terminal:
        terminal.wait_for("4 of 4 calls busy")
        terminal.press("\x03")
        terminal.wait_for("Finishing 4 calls")
        terminal.press("\x03")
        assert terminal.end() == -signal.SIGINT
        assert terminal.restored
    assert packmule(tmp_path, "unknown").out.count("attempt 1") == 4


def test_ctrl_c_thrice_leaves_at_once_and_the_terminal_is_given_back(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path, median_s=20)) as terminal:
        terminal.wait_for("4 of 4 calls busy")
        for _ in range(3):
            terminal.press("\x03")
            terminal.look(0.02)
        assert terminal.end() in {130, -signal.SIGINT}
        assert terminal.restored
        assert not terminal.screen.cursor.hidden


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -15), (signal.SIGHUP, -1)])
def test_other_signals_stop_as_ctrl_c_does(tmp_path: Path, number: int, code: int) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("calls busy")
        terminal.signal(number)
        assert terminal.end() == code
        assert terminal.restored


@pytest.mark.parametrize("name", ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM"])
def test_a_signal_that_nobody_expects_ends_it_as_ever_but_gives_the_terminal_back(tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("calls busy")
        assert terminal.screen.cursor.hidden
        terminal.signal(number)
        assert terminal.end() == -number
        assert terminal.restored
        assert not terminal.screen.cursor.hidden
    assert packmule(tmp_path, "resume", "--concurrency", "60").code == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_slow_reader_gets_the_last_picture_whole(tmp_path: Path, unbuffered: str) -> None:
    rows(tmp_path, 40)
    command = (*RUN, *slow(tmp_path, 0.1))
    env = {"PYTHONUNBUFFERED": unbuffered}
    with Terminal(tmp_path, *command, env=env, bytes_per_s=2500, rows=60, blocking=False) as terminal:
        assert terminal.end() == 0
        assert terminal.restored
        assert not terminal.screen.cursor.hidden
        assert terminal.text.count("✓ done") == 40
        assert re.search(r"\n +40  a39 +✓ done .*\nbatch-\S+ finished: 40 of 40 done", terminal.text)


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_again(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("calls busy")
        terminal.signal(signal.SIGTSTP)
        end = time.monotonic() + 10
        while time.monotonic() < end and state_of(terminal.pid) != "T":
            terminal.look(0.05)
        assert state_of(terminal.pid) == "T"
        assert terminal.restored
        terminal.signal(signal.SIGCONT)
        terminal.look(1.0)
        assert not terminal.restored
        terminal.press("q")
        assert terminal.end() == 5


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_d_e_and_help_change_what_is_seen(tmp_path: Path) -> None:
    rows(tmp_path, 200)
    scenario = tmp_path / "some.toml"
    scenario.write_text("[latency]\nmedian_s = 0.4\nsigma = 0.1\n[[fail]]\npattern = 'number [12] '\nstatus = 400\n")
    with Terminal(tmp_path, *RUN, "--sim-scenario", str(scenario)) as terminal:
        terminal.wait_for("2 failed", "✗ failed", "+1")
        terminal.press("e")
        terminal.wait_for("2 x invalid_request (no retry helps): the provider answered 400")
        terminal.press("e?")
        terminal.wait_for("why items failed, grouped", "packmule pause, stop, set")
        terminal.press("?d")
        terminal.look(1.0)
        assert "generating" not in terminal.text
        terminal.press("d")
        terminal.wait_for("● generating")


def test_plus_and_minus_change_the_width_and_are_kept(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("of 4 calls busy")
        terminal.press("+")
        terminal.wait_for("of 5 calls busy")
        terminal.press("--")
        terminal.wait_for("of 3 calls busy")
    said = packmule(tmp_path, "logs").out
    assert "limits  concurrency 4 -> 5" in said
    assert "limits  concurrency 4 -> 3" in said


def test_a_smaller_window_gets_a_smaller_picture(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("● generating", "cost")
        for columns in (80, 60, 50, 30):
            terminal.resize(columns, 24)
            terminal.signal(signal.SIGWINCH)
            shown = terminal.look(1.2)
            assert max(map(len, shown.splitlines())) <= columns
            assert "/200" in shown, shown
        assert "generating" not in terminal.text


def test_pausing_from_another_terminal_shows_and_stops_the_work(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("calls busy")
        said = packmule(tmp_path, "pause", "--reason", "a look")
        assert said.code == 0, said.err
        assert "packmule unpause batch-" in said.err
        terminal.wait_for("paused", "0 of 4 calls busy")
        assert "paused" in packmule(tmp_path, "status").out
        assert packmule(tmp_path, "unpause").code == 0
        terminal.wait_for("running", "● generating")
        assert packmule(tmp_path, "stop").code == 0
        assert terminal.end() == 5


def test_watching_from_another_terminal_leaves_the_batch_alone(tmp_path: Path) -> None:
    with Terminal(tmp_path, *batch(tmp_path)) as terminal:
        terminal.wait_for("calls busy")
        with Terminal(tmp_path, "watch", columns=80, rows=20) as other:
            other.wait_for("rows.csv", "running", "left")
            other.press("p")
            terminal.wait_for("paused")
            other.press("p")
            terminal.wait_for("● generating")
            other.press("\x03")
            assert other.end() == 0
            assert "goes on" in other.text
            assert other.restored
        before = done(terminal.text)
        while done(terminal.look(0.2)) == before:
            pass


def test_without_colour_no_colour_is_written(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    with Terminal(tmp_path, *RUN, *slow(tmp_path, 0.3), env={"NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0
        assert b"\x1b[3" not in re.sub(rb"\x1b\[3[JK]", b"", terminal.raw)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    with Terminal(tmp_path, *RUN, *slow(tmp_path, 0.3), env={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
        assert b"\x1b[" not in terminal.raw
        assert b"Processing: 6/6 items (100.0%)" in terminal.raw


def test_an_ascii_terminal_gets_ascii(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    with Terminal(tmp_path, *RUN, *slow(tmp_path, 0.3), env={"PYTHONIOENCODING": "ascii"}) as terminal:
        assert terminal.end() == 0
        terminal.raw.decode("ascii")
        assert "+ done" in terminal.text

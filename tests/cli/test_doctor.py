"""`doctor` finds what would keep a batch from running; the shell completes what exists, and never fails."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import pytest

from tests.cli.command import MODEL, PROMPT, Said, packmule, rows
from tests.cli.terminal import Terminal

SECRET = "sk-test-0123456789abcdefghij"


def line(said: Said, check: str) -> str:
    return next(one for one in said.out.splitlines() if one.split()[1] == check)


def test_a_sound_folder_has_no_problem(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL)
    said = packmule(tmp_path, "doctor", env={"OPENAI_API_KEY": SECRET})
    assert said.code == 0
    checks = "settings python sqlite keys prices store disk terminal".split()
    assert all(line(said, check).startswith(("ok", "warning")) for check in checks)
    assert "set for openai" in line(said, "keys")
    assert re.search(r"as of 20\d\d-\d\d-\d\d", line(said, "prices"))
    assert line(said, "store") == "ok       store     .packmule/store.db is whole"
    assert SECRET not in said.out + said.err


def test_no_key_is_a_warning_and_a_bad_one_a_problem(tmp_path: Path) -> None:
    said = packmule(tmp_path, "doctor")
    assert said.code == 0
    assert line(said, "keys").startswith("warning")
    bad = packmule(tmp_path, "doctor", env={"OPENAI_API_KEY": f"{SECRET} and more"})
    assert bad.code == 6
    assert line(bad, "keys").startswith("problem")
    assert SECRET not in bad.out + bad.err


def test_a_model_of_the_settings_needs_its_key(tmp_path: Path) -> None:
    (tmp_path / "packmule.yaml").write_text("defaults:\n  model: openai/gpt-5-mini\n")
    said = packmule(tmp_path, "doctor")
    assert said.code == 6
    assert "OPENAI_API_KEY" in line(said, "model")
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={SECRET}\n")
    assert packmule(tmp_path, "doctor").code == 0


def test_an_endpoint_here_that_was_named_must_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = {"VLLM_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}/v1"}
        good = packmule(tmp_path, "doctor", env=env)
    assert good.code == 0
    assert "vllm answers" in good.out
    bad = packmule(tmp_path, "doctor", env=env)
    assert bad.code == 6
    assert re.search(r"problem  endpoint  vllm does not answer .*unset VLLM_BASE_URL", bad.out)
    wrong = packmule(tmp_path, "doctor", env={"OPENAI_BASE_URL": "http://far.example.com"})
    assert wrong.code == 6
    assert "OPENAI_BASE_URL" in wrong.out


def test_a_damaged_store_is_a_problem_and_an_open_one_a_warning(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL)
    store = tmp_path / ".packmule" / "store.db"
    store.chmod(0o644)
    said = packmule(tmp_path, "doctor")
    assert said.code == 0
    assert "chmod 600" in line(said, "store")
    whole = store.read_bytes()
    store.write_bytes(whole[:4096] + b"\x07" * 40_000 + whole[44_096:])
    damaged = packmule(tmp_path, "doctor")
    assert damaged.code == 6
    assert re.search(r"problem  store .*damaged", damaged.out), damaged.out


def test_a_broken_settings_file_is_a_finding_and_the_other_checks_go_on(tmp_path: Path) -> None:
    (tmp_path / "packmule.yaml").write_text("defaults:\n  modle: x\n")
    said = packmule(tmp_path, "doctor")
    assert said.code == 6
    assert "packmule.yaml: defaults.modle" in line(said, "settings")
    assert line(said, "disk")


def test_json_says_the_same(tmp_path: Path) -> None:
    found = json.loads(packmule(tmp_path, "doctor", "--json").out)
    assert found["problems"] == 0
    assert {"check", "state", "text", "todo"} == set(found["checks"][0])
    assert {"python", "store", "terminal"} <= {check["check"] for check in found["checks"]}


def test_the_terminal_is_measured(tmp_path: Path) -> None:
    with Terminal(tmp_path, "doctor", columns=110, rows=30) as terminal:
        terminal.wait_for("110 x 30")
        assert terminal.end() == 0


def completed(folder: Path, words: str, env: dict[str, str] | None = None) -> list[str]:
    count = len(words.split(" ")) - 1
    asked = {"_PACKMULE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count), **(env or {})}
    said = packmule(folder, env={"XDG_CACHE_HOME": str(folder / "cache"), **asked})
    assert said.err == ""
    return said.out.split()


def test_the_shell_completes_batches_and_models(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    assert completed(tmp_path, "packmule show ba") == []
    packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL, "--checkpoint", "c.json")
    batch = packmule(tmp_path, "show").out.split()[0]
    for command in ("show", "resume", "retry", "stop", "set", "template save", "batch show", "batch cancel"):
        assert completed(tmp_path, f"packmule {command} ba") == [batch], command
    assert completed(tmp_path, "packmule show x") == []
    assert completed(tmp_path, "packmule batch cancel c") == ["c.json"]
    assert "sim/small" in completed(tmp_path, "packmule run --model sim/")
    assert "openai/gpt-5-mini" in completed(tmp_path, "packmule run --model openai/gpt-5")


@pytest.mark.parametrize("text", ["nonsense: [", "defaults: {store: /proc/none/store.db}"])
def test_completion_never_fails(tmp_path: Path, text: str) -> None:
    (tmp_path / "packmule.yaml").write_text(text)
    assert completed(tmp_path, "packmule show ba") == []
    assert completed(tmp_path, "packmule run -m sim/s", {"XDG_CACHE_HOME": "/proc/none"}) == ["sim/small"]


def test_completion_adds_little_to_the_start_of_the_program(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL)
    completed(tmp_path, "packmule run --model openai/gpt-5")

    def best_s(words: str) -> float:
        taken = []
        for _ in range(8):
            began = time.perf_counter()
            completed(tmp_path, words)
            taken.append(time.perf_counter() - began)
        return min(taken)

    nothing = best_s("packmule sho")
    assert best_s("packmule run --model openai/gpt-5") - nothing < 0.1
    assert best_s("packmule show ba") - nothing < 0.25

"""Settings: every key changes what the command does, the nearer word wins, a slip is named with file and key."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import MODEL, PROMPT, Said, packmule, results, rows, slow, start
from tests.cli.terminal import Terminal

ASK = ("run", "rows.csv", "--prompt", PROMPT)
RUN = (*ASK, *MODEL)
KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows(tmp_path, 2)
    return tmp_path


def write(folder: Path, text: str, name: str = "packmule.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faulty(folder: Path, text: str) -> tuple[str, str]:
    write(folder, text, "faults.toml")
    return "--sim-scenario", "faults.toml"


def attempts(folder: Path) -> int:
    found = re.search(r"(\d+) attempts?", packmule(folder, "show").out)
    assert found
    return int(found[1])


def refused(folder: Path, text: str, *words: str) -> str:
    write(folder, text)
    said = packmule(folder, *(words or (*RUN, "--dry-run")))
    assert said.code == 2, said.err
    return said.err


# defaults


def test_defaults_model(folder: Path) -> None:
    write(folder, "defaults:\n  model: sim/large\n")
    assert packmule(folder, *ASK).code == 0
    assert "sim/large" in packmule(folder, "show").out


def test_defaults_model_may_name_a_second_one(folder: Path) -> None:
    write(folder, "defaults:\n  model: [sim/large, sim/small]\n")
    assert packmule(folder, *ASK).code == 0
    assert "sim/large, sim/small" in packmule(folder, "show").out


def test_defaults_temperature(folder: Path) -> None:
    packmule(folder, *RUN)
    write(folder, "defaults:\n  temperature: 0.5\n")
    assert re.search(r"differs from \S+ --temperature", packmule(folder, *RUN, "--dry-run").err)


def test_defaults_max_output_tokens(folder: Path) -> None:
    before = packmule(folder, *RUN, "--dry-run").err
    write(folder, "defaults:\n  max_output_tokens: 10\n")
    after = packmule(folder, *RUN, "--dry-run").err
    assert high(after) < high(before)


def high(err: str) -> float:
    found = re.search(r"\$([\d.]+) high", err)
    assert found, err
    return float(found[1])


def test_defaults_max_cost_is_a_cap_that_stops(folder: Path) -> None:
    rows(folder, 30)
    write(folder, "defaults:\n  max_cost: 0.0007\n")
    said = packmule(folder, *RUN, "--max-output-tokens", "60", "--concurrency", "2")
    assert said.code == 4
    assert "cap $0.0007" in said.err


def test_defaults_item_cap(folder: Path) -> None:
    write(folder, "defaults:\n  item_cap: 0.000001\n")
    said = packmule(folder, *RUN)
    assert said.code == 3
    assert "2 blocked" in said.err


def test_defaults_concurrency(folder: Path) -> None:
    write(folder, "defaults:\n  concurrency: 3\n")
    rows(folder, 60)
    with Terminal(folder, *RUN, *slow(folder, 1.0)) as terminal:
        terminal.wait_for("of 3 calls busy")


@pytest.mark.parametrize("key", ["rpm: 2", "tpm: 60"])
def test_defaults_rpm_and_tpm(folder: Path, key: str) -> None:
    rows(folder, 4)
    write(folder, f"defaults:\n  {key}\n")
    process = start(folder, *RUN, "--max-output-tokens", "10")
    time.sleep(4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert re.search(r"stopped: [12] of 4 done", err), err


def test_defaults_timeout(folder: Path) -> None:
    write(folder, "defaults:\n  timeout: 0.2\n")
    said = packmule(folder, *RUN, *slow(folder, 30.0), "--retry-count", "0")
    assert said.code == 3
    assert "2 failed" in said.err


def test_defaults_outage_limit(folder: Path) -> None:
    write(folder, "defaults:\n  outage_limit: 1\n")
    began = time.monotonic()
    said = packmule(folder, *RUN, *faulty(folder, "[faults]\nstatus_503 = 1.0\n"))
    assert said.code == 75, said.err
    assert time.monotonic() - began < 60


def test_defaults_retries_invalid(folder: Path) -> None:
    mood = {"type": "string", "enum": ["a"], "minLength": 2}  # there is none
    nobody = {"type": "object", "required": ["mood"], "properties": {"mood": mood}}
    write(folder, json.dumps(nobody), "s.json")
    write(folder, "defaults:\n  retries_invalid: 1\n")
    said = packmule(folder, *RUN, "--schema", "s.json")
    assert said.code == 3, said.err
    assert attempts(folder) == 4


def test_defaults_on_unknown(folder: Path) -> None:
    write(folder, "defaults:\n  on_unknown: hold\n")
    said = packmule(folder, *RUN, *faulty(folder, "[faults]\nstatus_500 = 1.0\n"))
    assert said.code == 3
    assert "--on-unknown hold" in said.err
    assert attempts(folder) == 2


def test_defaults_output_gives_each_batch_a_folder_in_it(folder: Path) -> None:
    write(folder, "defaults:\n  output: answers\n")
    assert packmule(folder, *RUN).code == 0
    assert packmule(folder, *RUN, "--fresh").code == 0
    assert len(list((folder / "answers").glob("batch-*/results.jsonl"))) == 2
    assert packmule(folder, *RUN, "--fresh", "-o", "here").code == 0
    assert len(results(folder / "here")) == 2


def test_defaults_store_is_meant_from_its_file_and_every_command_knows_it(folder: Path) -> None:
    write(folder, "defaults:\n  store: kept/all.db\n")
    assert packmule(folder, *RUN).code == 0
    assert (folder / "kept" / "all.db").exists()
    (folder / "below").mkdir()
    assert "2 of 2 done" in packmule(folder / "below", "show").out


def test_defaults_progress(folder: Path) -> None:
    write(folder, "defaults:\n  progress: quiet\n")
    assert "Processing:" not in packmule(folder, *RUN).err


# batch, as the brief has it


def test_progress_mode(folder: Path) -> None:
    write(folder, "batch:\n  progress:\n    mode: quiet\n")
    assert "Processing:" not in packmule(folder, *RUN).err
    assert "Processing:" in packmule(folder, *RUN, "--fresh", "--progress", "log").err


def test_progress_refresh_rate(folder: Path) -> None:
    rows(folder, 200)
    write(folder, "batch:\n  progress:\n    refresh_rate: 60\n")
    with Terminal(folder, *RUN, "--concurrency", "2", *slow(folder, 0.3)) as terminal:
        terminal.wait_for("/200")
        terminal.look(0.5)
        before = terminal.text
        assert terminal.look(2.5) == before


@pytest.mark.parametrize(
    ("key", "value"), [("auto_save", "false"), ("save_interval", "12.5"), ("directory", "saved/here")]
)
def test_checkpoint_keys_are_resolved(folder: Path, key: str, value: str) -> None:
    write(folder, f"batch:\n  checkpoint:\n    {key}: {value}\n")
    out = packmule(folder, "config", "show", "--origin").out
    shown = rf"batch\.checkpoint\.{key} +{re.escape(value)}  \(packmule\.yaml batch\.checkpoint\.{key}\)"
    assert re.search(shown, out), out


def saved_while_running(folder: Path, path: str) -> tuple[int, int]:
    """How many items a checkpoint says are done, soon after a run has begun and three seconds later."""
    rows(folder, 80)
    process = start(folder, *RUN, *slow(folder, 0.2), "--concurrency", "2", "--checkpoint", path)
    end = time.monotonic() + 30
    while time.monotonic() < end and not re.search(r" (1[0-9]|2[0-9]) of 80 done", packmule(folder, "show").out):
        time.sleep(0.1)
    found = []
    for wait_s in (1.5, 3.0):
        time.sleep(wait_s)
        found.append(int(json.loads((folder / path).read_text())["progress"]["completed"]))
    process.kill()
    process.communicate()
    return found[0], found[1]


def test_checkpoint_save_interval(folder: Path) -> None:
    write(folder, "batch:\n  checkpoint:\n    save_interval: 1\n")
    first, later = saved_while_running(folder, "often.json")
    assert first < later


def test_checkpoint_auto_save_off_saves_at_changes_of_state_only(folder: Path) -> None:
    write(folder, "batch:\n  checkpoint:\n    save_interval: 1\n    auto_save: false\n")
    first, later = saved_while_running(folder, "seldom.json")
    assert first == later


def test_checkpoint_directory_holds_one_for_every_batch(folder: Path) -> None:
    write(folder, "batch:\n  checkpoint:\n    directory: .packmule/checkpoints\n")
    said = packmule(folder, *RUN)
    assert said.code == 0, said.err
    (found,) = (folder / ".packmule" / "checkpoints").glob("batch-*.json")
    assert json.loads(found.read_text())["progress"]["completed"] == 2
    assert found.name in packmule(folder, "batch", "list").out


def test_retry_max_attempts_counts_retries_after_the_first_try(folder: Path) -> None:
    write(folder, "batch:\n  retry:\n    max_attempts: 1\n    delay_seconds: 0\n")
    assert packmule(folder, *RUN, *faulty(folder, "[faults]\nstatus_500 = 1.0\n")).code == 3
    assert attempts(folder) == 4


def test_retry_delay_seconds(folder: Path) -> None:
    write(folder, "batch:\n  retry:\n    max_attempts: 1\n    delay_seconds: 3\n")
    began = time.monotonic()
    packmule(folder, *RUN, *faulty(folder, "[faults]\nstatus_500 = 1.0\n"))
    slowly = time.monotonic() - began
    assert slowly > 2.7


def test_retry_backoff_multiplier(folder: Path) -> None:
    write(folder, "batch:\n  retry:\n    max_attempts: 2\n    delay_seconds: 0.2\n    backoff_multiplier: 20\n")
    began = time.monotonic()
    packmule(folder, *RUN, *faulty(folder, "[faults]\nstatus_500 = 1.0\n"))
    assert time.monotonic() - began > 3.6
    assert attempts(folder) == 6


@pytest.mark.parametrize(
    ("named", "status", "tries"),
    [("timeout", 500, 2), ("server_error", 500, 4), ("timeout", 429, 2), ("rate_limit", 503, 2)],
)
def test_retry_retryable_errors(folder: Path, named: str, status: int, tries: int) -> None:
    write(folder, f"batch:\n  retry:\n    retryable_errors: [{named}]\n    max_attempts: 1\n    delay_seconds: 0\n")
    assert packmule(folder, *RUN, *faulty(folder, f"[faults]\nstatus_{status} = 1.0\n")).code == 3
    assert attempts(folder) == tries


def test_cost_track_per_persona_false_hides_the_cost_column(folder: Path) -> None:
    def titles() -> str:
        with Terminal(folder, *RUN, "--fresh", *slow(folder, 1.0)) as terminal:
            terminal.wait_for("generating")
            assert terminal.end() == 0
            return next(line for line in terminal.text.splitlines() if line.lstrip().startswith("#"))

    assert titles().split() == ["#", "id", "status", "time", "cost"]
    write(folder, "batch:\n  cost:\n    track_per_persona: false\n")
    assert titles().split() == ["#", "id", "status", "time"]


def test_cost_budget_enforcement(folder: Path) -> None:
    rows(folder, 30)
    write(folder, "batch:\n  cost:\n    budget_enforcement: warn\ndefaults:\n  max_cost: 0.0007\n")
    said = packmule(folder, *RUN, "--max-output-tokens", "60", "--concurrency", "2")
    assert said.code == 0, said.err
    assert "30 of 30 done" in said.err


# providers, and keys of .env


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = start(tmp_path_factory.mktemp("server"), "sim", "serve", "--port", "0")
    assert process.stdout is not None
    found = None
    while found is None:
        found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
    yield found[0]
    process.terminate()
    process.communicate(timeout=20)


def test_providers_and_keys_of_dotenv_are_used_and_never_shown(folder: Path, server: str) -> None:
    paid = (*ASK, "--model", "openai/gpt-5-mini", "--max-cost", "1")
    assert packmule(folder, *paid).code == 6
    write(folder, f"providers:\n  openai: {server}/v1\n")
    write(folder, f"OPENAI_API_KEY='{KEY}'\nLD_PRELOAD=nothing\n", ".env")
    said = packmule(folder, *paid)
    assert said.code == 0, said.err
    assert f"OPENAI_BASE_URL is {server}/v1 (packmule.yaml providers.openai)" in said.err
    shown = packmule(folder, "config", "show", "--origin")
    assert re.search(r"OPENAI_API_KEY +\(set\)  \(\.env\)", shown.out)
    assert "LD_PRELOAD" not in shown.out
    assert KEY not in said.err + said.out + shown.err + shown.out


def test_the_environment_goes_before_files_for_addresses_too(folder: Path, server: str) -> None:
    write(folder, "providers:\n  vllm: http://localhost:1/v1\n")
    said = packmule(
        folder, *ASK, "--model", "vllm/small", "--free", "--outage-limit", "1", env={"VLLM_BASE_URL": f"{server}/v1"}
    )
    assert said.code == 0, said.err


# which word wins


def test_the_nearer_word_wins(folder: Path) -> None:
    env: dict[str, str] = {"HOME": str(folder / "home"), "XDG_CONFIG_HOME": ""}

    def cap(*words: str) -> str:
        said = packmule(folder, *RUN, "--dry-run", *words, env=env)
        found = re.search(r"cap \$([\d.]+)", said.err)
        return found[1] if found else said.err

    write(folder, "defaults:\n  max_cost: 1\n", "home/.config/packmule/config.yaml")
    assert cap() == "1.00"
    env["XDG_CONFIG_HOME"] = str(folder / "xdg")
    write(folder, "defaults:\n  max_cost: 1.50\n", "xdg/packmule/config.yaml")
    assert cap() == "1.50"
    write(folder, "defaults:\n  max_cost: 2\n")
    assert cap() == "2.00"
    write(folder, "PACKMULE_MAX_COST=3\n", ".env")
    assert cap() == "3.00"
    env["PACKMULE_MAX_COST"] = "4"
    assert cap() == "4.00"
    write(folder, "max_cost: 5\n", "t.yaml")
    assert cap("--template", "t.yaml") == "5.00"
    assert cap("--template", "t.yaml", "--max-cost", "6") == "6.00"


def test_the_nearest_project_file_counts_and_persona_yaml_where_there_is_none(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    write(folder, "batch:\n  retry:\n    max_attempts: 7\npersona:\n  anything: of another program\n", "persona.yaml")
    line = r"batch\.retry\.max_attempts +{}  \(.*{}"
    assert re.search(line.format(7, "persona.yaml"), packmule(inner, "config", "show", "--origin").out)
    write(folder, "batch:\n  retry:\n    max_attempts: 8\n")
    assert re.search(line.format(8, "packmule.yaml"), packmule(inner, "config", "show", "--origin").out)
    write(inner, "batch:\n  retry:\n    max_attempts: 9\n")
    assert re.search(line.format(9, "packmule.yaml"), packmule(inner, "config", "show", "--origin").out)


def test_a_settings_file_lifts_no_cap_of_a_batch_that_exists(folder: Path) -> None:
    rows(folder, 30)
    bound = (*RUN, "--max-output-tokens", "60", "--concurrency", "2", "-o", "out")
    assert packmule(folder, *bound, "--max-cost", "0.0007").code == 4
    write(folder, "defaults:\n  max_cost: 100\n  output: elsewhere\nbatch:\n  cost:\n    budget_enforcement: warn\n")
    said = packmule(folder, *bound)
    assert said.code == 4, said.err
    assert "the cap $0.0007 stays; --max-cost changes it" in said.err
    assert not (folder / "elsewhere").exists()
    assert packmule(folder, *bound, "--max-cost", "1").code == 0


def test_limits_of_files_do_not_reach_a_resumed_batch(folder: Path) -> None:
    rows(folder, 30)
    packmule(folder, *RUN, "--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    write(folder, "defaults:\n  max_cost: 100\n  concurrency: 9\n")
    assert packmule(folder, "resume").code == 4


def test_a_budget_that_is_typed_goes_before_a_cap_of_a_file(folder: Path) -> None:
    write(folder, "defaults:\n  max_cost: 3\nbatch:\n  cost:\n    budget_enforcement: warn\n")
    said = packmule(folder, *RUN, "--dry-run", "--budget", "2", "--stop-on-budget")
    assert said.code == 0, said.err
    assert "cap $2.00" in said.err


def test_settings_do_not_reach_a_batch_that_goes_on_from_a_checkpoint(folder: Path) -> None:
    rows(folder, 30)
    packmule(
        folder,
        *RUN,
        "--max-output-tokens",
        "60",
        "--concurrency",
        "2",
        "--max-cost",
        "0.0007",
        "--checkpoint",
        "c.json",
    )
    write(folder, "defaults:\n  max_cost: 100\n  model: sim/large\n")
    said = packmule(folder, "run", "--resume", "c.json")
    assert said.code == 4, said.err


# slips


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch:\n  retry:\n    max_atempts: 3\n", ["packmule.yaml: batch.retry.max_atempts", "'max_attempts'"]),
        ("bach:\n  retry: {}\n", ["packmule.yaml: bach", "'batch'"]),
        ("defaults:\n  max_cots: 3\n", ["packmule.yaml: defaults.max_cots", "'max_cost'"]),
        ("defaults:\n  max_cost: much\n", ["packmule.yaml: defaults.max_cost", "much"]),
        ("defaults:\n  max_cost: -1\n", ["packmule.yaml: defaults.max_cost -1 is not above zero"]),
        ("defaults:\n  concurrency: 0\n", ["packmule.yaml: defaults.concurrency 0 is too small"]),
        ("defaults:\n  concurrency: many\n", ["packmule.yaml: defaults.concurrency: 'many' is not a whole number"]),
        ("defaults:\n  concurrency: true\n", ["packmule.yaml: defaults.concurrency", "not a whole number"]),
        ("defaults:\n  temperature: .nan\n", ["packmule.yaml: defaults.temperature"]),
        ("defaults:\n  model: []\n", ["packmule.yaml: defaults.model is empty"]),
        ("batch:\n  progress:\n    mode: detaild\n", ["batch.progress.mode: 'detaild'", "'detailed'"]),
        ("batch:\n  progress:\n    refresh_rate: 0.01\n", ["batch.progress.refresh_rate: 0.01 is too small"]),
        (
            "batch:\n  retry:\n    retryable_errors: [rate_limits]\n",
            ["retryable_errors: 'rate_limits'", "'rate_limit'"],
        ),
        ("batch:\n  retry: 3\n", ["packmule.yaml: batch.retry holds further keys"]),
        ("batch: {progress: {mode: log}}\ndefaults: {progress: log}\n", ["are the same setting"]),
        ("providers:\n  opnai: https://x.example\n", ["packmule.yaml: providers.opnai", "'openai'"]),
        ("providers:\n  openai: http://x.example\n", ["packmule.yaml: providers.openai is http://x.example"]),
        ("defaults:\n  model: [a\n", ["packmule.yaml, line 3, column 1", "not valid YAML"]),
        ("defaults:\n\tmodel: a\n", ["packmule.yaml, line 2, column 1", "not valid YAML"]),
        ("- a\n", ["packmule.yaml: it must hold keys and values"]),
        ("defaults:\n  rpm: 1\n  rpm: 2\n", ["packmule.yaml, line 3, column 3: the key 'rpm'", "Keep one of them."]),
        ("defaults: {}\nbatch: {}\ndefaults: {}\n", ["packmule.yaml, line 3, column 1: the key 'defaults'"]),
        ("defaults:\n  timeout: 1:30\n", ["packmule.yaml: defaults.timeout: '1:30' is not a number"]),
        ("defaults:\n  concurrency: 010\n", ["packmule.yaml: defaults.concurrency: '010' is not a whole number"]),
        ("defaults:\n  max_cost: 1:30\n", ["packmule.yaml: defaults.max_cost", "1:30"]),
        ("defaults:\n  ? [a]\n  : b\n", ["packmule.yaml, line 2, column 5", "not valid YAML"]),
    ],
)
def test_a_slip_is_named_with_file_and_key(folder: Path, text: str, words: list[str]) -> None:
    err = refused(folder, text)
    assert all(word in err for word in words), err


def test_a_variable_one_letter_beside_ours_is_a_slip(folder: Path) -> None:
    said = packmule(folder, *RUN, "--dry-run", env={"PACKMULE_MAX_COTS": "1"})
    assert said.code == 2
    assert "did you mean PACKMULE_MAX_COST?" in said.err
    bad = packmule(folder, *RUN, "--dry-run", env={"PACKMULE_CONCURRENCY": "many"})
    assert bad.code == 2
    assert "PACKMULE_CONCURRENCY: 'many' is not a whole number" in bad.err
    assert packmule(folder, *RUN, "--dry-run", env={"PACKMULE_OF_ANOTHER_PROGRAM": "1"}).code == 0


def test_a_slip_keeps_nobody_from_stopping_a_batch(folder: Path) -> None:
    rows(folder, 30)
    packmule(folder, *RUN, "--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    write(folder, "defaults:\n  modle: x\n")
    assert packmule(folder, "status").code == 2
    said = packmule(folder, "cancel")
    assert said.code == 0, said.err
    assert "packmule.yaml: defaults.modle" in said.err
    assert "is cancelled" in said.err


def test_retry_rules_can_be_set_on_a_batch_that_exists(folder: Path) -> None:
    rows(folder, 30)
    packmule(folder, *RUN, "--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    said = packmule(folder, "set", "--retry-on", "timeout", "--retry-on", "rate_limit", "--retry-backoff", "3")
    assert said.code == 0, said.err
    packmule(folder, "template", "save", "batch", "t.yaml")
    text = (folder / "t.yaml").read_text()
    assert "retry_on:\n- timeout\n- rate_limit\n" in text
    assert "retry_backoff: 3.0" in text


def test_yaml_makes_no_objects(folder: Path) -> None:
    err = refused(folder, "defaults:\n  model: !!python/object/apply:os.system ['touch made']\n")
    assert "not valid YAML" in err
    assert not (folder / "made").exists()


def test_help_and_config_path_work_beside_a_broken_file(folder: Path) -> None:
    write(folder, "nonsense: [\n")
    assert packmule(folder, "run", "--help").code == 0
    assert "packmule.yaml" in packmule(folder, "config", "path").out


# config set, init


def show(folder: Path, key: str) -> str:
    out = packmule(folder, "config", "show").out
    return next(line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith(f"{key} "))


def set_(folder: Path, *words: str) -> Said:
    return packmule(folder, "config", "set", *words)


def test_config_set_changes_one_key_and_keeps_comments(folder: Path) -> None:
    packmule(folder, "init")
    before = (folder / "packmule.yaml").read_text()
    assert set_(folder, "batch.retry.max_attempts", "5").code == 0
    assert (folder / "packmule.yaml").read_text() == before.replace(
        "max_attempts: 3         #", "max_attempts: 5         #"
    )
    assert set_(folder, "max_cost", "2.50").code == 0
    assert set_(folder, "retry_on", "timeout,server_error").code == 0
    assert set_(folder, "providers.vllm", "http://localhost:9/v1").code == 0
    assert show(folder, "defaults.max_cost") == "2.5"
    assert show(folder, "batch.retry.retryable_errors") == "timeout, server_error"
    kept = [line for line in before.splitlines() if "#" in line and "max_attempts" not in line]
    after = (folder / "packmule.yaml").read_text().splitlines()
    assert [line for line in kept if line not in after] == []


def test_config_set_begins_a_file_and_refuses_what_it_cannot_do_well(folder: Path) -> None:
    assert set_(folder, "batch.progress.mode", "log").code == 0
    assert (folder / "packmule.yaml").read_text() == "batch:\n  progress:\n    mode: log\n"
    text = "defaults: {model: sim/small}  # all in one line\n"
    write(folder, text)
    said = set_(folder, "defaults.rpm", "5")
    assert said.code == 2
    assert "rpm: 5" in said.err
    assert (folder / "packmule.yaml").read_text() == text
    near = set_(folder, "batch.retry.max_atempts", "5")
    assert near.code == 2
    assert "'batch.retry.max_attempts'" in near.err
    assert set_(folder, "defaults.concurrency", "0").code == 2
    assert set_(folder, "providers.openai", "http://x.example").code == 2


def test_init_writes_what_works_and_overwrites_nothing(tmp_path: Path) -> None:
    assert packmule(tmp_path, "init").code == 0
    said = packmule(tmp_path, "run", "example.csv", "--prompt", PROMPT)
    assert said.code == 0, said.err
    assert "3 of 3 done" in said.err
    write(tmp_path, "defaults: {}\n")
    again = packmule(tmp_path, "init")
    assert again.code == 2
    assert "exists already" in again.err
    assert (tmp_path / "packmule.yaml").read_text() == "defaults: {}\n"


def test_every_key_of_the_first_file_is_known_also_those_in_comments(tmp_path: Path) -> None:
    packmule(tmp_path, "init")
    path = tmp_path / "packmule.yaml"
    head, _, rest = path.read_text().partition("\ndefaults:")
    path.write_text("defaults:" + re.sub(r"^( *)# ", r"\1", rest, flags=re.MULTILINE))
    said = packmule(tmp_path, "config", "show")
    assert said.code == 0, said.err
    assert head.startswith("#")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(folder: Path) -> None:
    os.chown(write(folder, "defaults:\n  model: sim/small\n"), 12345, 12345)
    folder.chmod(0o777)
    code = "import os; from packmule.compose.setting_files import read_settings; os.seteuid(4321)\nread_settings({})"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert "packmule.yaml belongs to another user" in done.stderr
    (folder / "packmule.yaml").unlink()
    # The folders above are closed to that user; there is nothing of theirs in them.
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)

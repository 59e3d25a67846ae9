"""Where keys and paid answers go is a person's own word, never that of a file that came along."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packmule.core.batch import SourceMark, Spec, identity
from tests.cli.command import MODEL, PROMPT, packmule, rows

CANARY = "sk-CANARY-1234567890123456"
KEY = {"OPENAI_API_KEY": CANARY}
FAR = "https://gateway.example.com/v1"
ASK = ("run", "rows.csv", "--prompt", PROMPT)


def refused(folder: Path, *words: str, says: str, env: dict[str, str] | None = None) -> str:
    said = packmule(folder, *words, env={**KEY, **(env or {})})
    assert said.code == 2, said.err
    assert says in said.err, said.err
    assert CANARY not in said.err + said.out
    return said.err


@pytest.mark.parametrize("name", ["packmule.yaml", ".env"])
def test_a_projects_file_does_not_send_a_persons_key_to_the_open_net(tmp_path: Path, name: str) -> None:
    rows(tmp_path, 2)
    text = f'providers: {{openai: "{FAR}"}}\ndefaults: {{max_cost: 1}}\n'
    (tmp_path / name).write_text(text if name != ".env" else f"OPENAI_BASE_URL={FAR}\nPACKMULE_MAX_COST=1\n")
    refused(tmp_path, *ASK, "--model", "openai/gpt-5-mini", says="gateway.example.com")


def test_a_persons_own_word_does(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    said = packmule(tmp_path, *ASK, "--model", "openai/gpt-5-mini", "--dry-run", env={**KEY, "OPENAI_BASE_URL": FAR})
    assert said.code == 0, said.err


def test_a_template_names_no_far_address_by_itself(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / "t.yaml").write_text(f'prompt: "{PROMPT}"\nmodel: openai/gpt-5-mini\nbase_url: "{FAR}"\nmax_cost: 1\n')
    refused(tmp_path, "run", "--template", "t.yaml", "rows.csv", says="the template sends")


def checkpoint(folder: Path, **spec: Any) -> dict[str, Any]:
    """A file of a stopped batch, as somebody may have edited it, identity and all."""
    rows(folder, 4)
    words = (*ASK, *MODEL, "-o", "out", "--max-cost", "0.0000001", "--checkpoint", "c.json")
    assert packmule(folder, *words).code == 4
    content: dict[str, Any] = json.loads((folder / "c.json").read_text())
    facts = content["packmule"]
    facts["spec"] |= spec
    mark = msgspec.convert(facts["source"], SourceMark)
    facts["identity"] = identity(msgspec.convert(facts["spec"], Spec), mark)
    facts["store"] = str(folder / "gone.db")
    (folder / "c.json").write_text(json.dumps(content))
    return content


def test_a_checkpoint_names_no_far_address_by_itself(tmp_path: Path) -> None:
    checkpoint(tmp_path, models=["openai/gpt-5-mini"], base_url=FAR)
    (tmp_path / ".packmule" / "store.db").unlink()
    err = refused(tmp_path, "run", "--resume", "c.json", "--max-cost", "1", says="gateway.example.com")
    assert f"--base-url {FAR}" in err


def test_a_checkpoint_that_is_all_that_is_left_is_not_written_over(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    for path in (tmp_path / ".packmule").glob("store.db*"):
        path.unlink()
    before = (tmp_path / "c.json").read_bytes()
    err = refused(tmp_path, *ASK, *MODEL, "-o", "out", "--checkpoint", "c.json", says="would be written over")
    assert "packmule run --resume c.json" in err
    assert (tmp_path / "c.json").read_bytes() == before


def test_a_key_in_an_address_is_never_shown(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL=https://x.example/v1?api_key={CANARY}\n")
    for words in (("config", "show"), (*ASK, "--model", "openai/gpt-5-mini", "--dry-run")):
        said = packmule(tmp_path, *words, env={"OPENAI_API_KEY": "sk-other-1234567890123456"})
        assert CANARY not in said.out + said.err


@pytest.mark.parametrize("amount", ["1e999999999", "1e30", "-1e999999999"])
def test_an_absurd_amount_is_told(tmp_path: Path, amount: str) -> None:
    rows(tmp_path, 2)
    refused(tmp_path, *ASK, *MODEL, f"--max-cost={amount}", says="--max-cost")


def test_a_runner_that_was_killed_left_a_batch_to_go_on_with_later(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    scenario = tmp_path / "slow.toml"
    scenario.write_text("[latency]\nmedian_s = 0.5\n")
    said = packmule(tmp_path, *ASK, *MODEL, "--sim-scenario", str(scenario), "--detach", "--json")
    launch = json.loads(said.out)
    os.kill(launch["pid"], signal.SIGKILL)
    assert packmule(tmp_path, "wait").code == 75
    assert "is not running: interrupted" in packmule(tmp_path, "pause").err


@pytest.mark.parametrize(
    "key", ["sk-proj-abcdefghij1234567890", "gsk_abcdefghij1234567890", "AIzaSyA-1234567890abcdef"]
)
def test_a_key_pasted_into_another_setting_is_not_echoed(tmp_path: Path, key: str) -> None:
    rows(tmp_path, 2)
    for text in (f"defaults:\n  model: {key}\n", f"batch: {key}\n", f"defaults:\n  rpm: {key}\n", f"{key}: x\n"):
        (tmp_path / "packmule.yaml").write_text(text)
        said = packmule(tmp_path, *ASK, "--json")
        assert said.code in {2, 6}, said.err
        assert "***" in said.err
        assert key not in said.err + said.out
    assert key not in packmule(tmp_path, "config", "show").out
    (tmp_path / "packmule.yaml").unlink()
    for words in (("--model", key), ("--limit", key), ("--max-cost", key), ("--progress", key), (f"--{key}",)):
        said = packmule(tmp_path, *ASK, *words, "--json")
        assert said.code in {2, 6}, said.err
        assert key not in said.err + said.out


PAID = ("--model", "openai/gpt-5-mini", "--outage-limit", "0.1", "-o", "out")
NOBODY = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
BEGAN = 75


def spend(folder: Path, *words: str, env: dict[str, str] | None = None) -> int:
    """Exit code of a paid run against a server that is not there: 75 says that somebody had agreed to it."""
    return packmule(folder, *words, *PAID, "--fresh", env={**KEY, **NOBODY, **(env or {})}).code


def test_a_cap_is_consent_only_where_it_is_the_persons_own_word(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    for name, text in (
        ("packmule.yaml", "defaults: {max_cost: 1}\n"),
        (".env", "PACKMULE_MAX_COST=1\n"),
        ("t.yaml", f'prompt: "{PROMPT}"\nmax_cost: 1\n'),
    ):
        (tmp_path / name).write_text(text)
        words = ("run", "rows.csv", "--template", name) if name == "t.yaml" else ASK
        err = refused(tmp_path, *words, *PAID, "--fresh", says="nobody has agreed", env=NOBODY)
        assert "only a file says --max-cost" in err
        assert "cap $1.00" in err
        assert spend(tmp_path, *words, "--yes") == BEGAN
        assert spend(tmp_path, *words, "--max-cost", "1") == BEGAN
        assert spend(tmp_path, *words, "--budget", "1", "--stop-on-budget") == BEGAN
        (tmp_path / name).unlink()
    own = tmp_path / "xdg" / "packmule"
    own.mkdir(parents=True)
    (own / "config.yaml").write_text("defaults: {max_cost: 1}\n")
    assert spend(tmp_path, *ASK, env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == BEGAN
    assert spend(tmp_path, *ASK, env={"PACKMULE_MAX_COST": "1"}) == BEGAN


def test_a_batch_that_was_agreed_to_goes_on_beside_a_cap_of_a_file(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    env = {**KEY, **NOBODY}
    assert packmule(tmp_path, *ASK, *PAID, "--max-cost", "1", env=env).code == BEGAN
    (tmp_path / "packmule.yaml").write_text("defaults: {max_cost: 5}\n")
    assert packmule(tmp_path, *ASK, *PAID, env=env).code == BEGAN


@pytest.mark.parametrize("price", ["free: true", "price_in: 0\nprice_out: 0", "price_in: 0.01\nprice_out: 0.01"])
def test_a_price_of_a_template_holds_and_agrees_to_nothing(tmp_path: Path, price: str) -> None:
    rows(tmp_path, 2)
    (tmp_path / "t.yaml").write_text(f'prompt: "{PROMPT}"\n{price}\n')
    words = ("run", "rows.csv", "--template", "t.yaml")
    for more in ((), ("--max-cost", "1")):
        err = refused(tmp_path, *words, *PAID, *more, says="nobody has agreed", env=NOBODY)
        assert "only a file says --" in err
    assert spend(tmp_path, *words, "--yes") == BEGAN


def test_a_cap_of_a_checkpoint_without_its_store_agrees_to_nothing(tmp_path: Path) -> None:
    checkpoint(tmp_path, models=["openai/gpt-5-mini"])
    for path in (tmp_path / ".packmule").glob("store.db*"):
        path.unlink()
    content = json.loads((tmp_path / "c.json").read_text())
    content["packmule"]["limits"]["max_cost"] = 10**12
    (tmp_path / "c.json").write_text(json.dumps(content))
    words = ("run", "--resume", "c.json", "--outage-limit", "0.1")
    refused(tmp_path, *words, says="nobody has agreed", env=NOBODY)
    assert packmule(tmp_path, *words, "--max-cost", "1", env={**KEY, **NOBODY}).code == BEGAN

"""Checkpoint files that somebody has edited, or that are none: refused with a sentence, and nothing is done."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packmule import compose
from packmule.core.batch import SourceMark, Spec, identity
from packmule.errors import UsageError
from tests.cli.command import MODEL, PROMPT, Said, packmule, results, rows

Facts = dict[str, Any]
WORDS = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--checkpoint", "f.json")
CAP = ("--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
LOOP = "/proc/self/cwd/loop"


def halfway(folder: Path, change: Callable[[Facts], object] = lambda _: None, *, lost: bool = True) -> Path:
    """The file of a batch that its cap stopped halfway, edited, identity and all; its store is lost."""
    rows(folder, 30)
    assert packmule(folder, *WORDS, *CAP).code == 4
    if lost:
        lose(folder)
    path = folder / "f.json"
    whole = json.loads(path.read_text())
    assert 0 < whole["progress"]["completed"] < 30
    facts = whole["packmule"]
    change(facts)
    facts["identity"] = identity(msgspec.convert(facts["spec"], Spec), msgspec.convert(facts["source"], SourceMark))
    path.write_text(json.dumps(whole))
    return path


def lose(folder: Path) -> None:
    shutil.rmtree(folder / ".packmule")


def go_on(folder: Path, *words: str, env: dict[str, str] | None = None) -> Said:
    return packmule(folder, "run", "--resume", "f.json", "--max-cost", "1", *words, env=env)


def batches(folder: Path) -> str:
    return packmule(folder, "list").out if (folder / ".packmule").exists() else ""


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "concurrency 0 is too small"),
    ({"concurrency": -5}, "concurrency -5 is too small"),
    ({"concurrency": 10**400}, "concurrency as given is too large"),
    ({"timeout_s": -1}, "timeout -1 is too small"),
    ({"rpm": 0}, "rpm 0 is too small"),
    ({"price_in": -1, "price_out": -1}, "price_in is not between"),
    ({"max_cost": 2**70}, "max_cost is not between"),
    ({"item_cap": 0}, "item_cap is not between"),
    ({"price_in": 5}, "price_in and price_out go together"),
]


def test_limits_in_a_file_are_checked_like_those_that_are_typed(tmp_path: Path) -> None:
    before = halfway(tmp_path).read_text()
    for limits, reason in LIMITS:
        whole = json.loads(before)
        whole["packmule"]["limits"] |= limits
        (tmp_path / "f.json").write_text(json.dumps(whole))
        said = packmule(tmp_path, "run", "--resume", "f.json")
        assert said.code == 2, (limits, said.err)
        assert "f.json is damaged" in said.lines[0]
        assert reason in said.lines[0]
    assert not (tmp_path / ".packmule").exists()


KEY = {"OPENAI_API_KEY": "sk-nobody-1234567890"}
PAID = {"models": ["openai/gpt-5-mini"], "base_url": "http://127.0.0.1:9/v1"}


def test_a_price_that_only_a_checkpoint_states_is_none(tmp_path: Path) -> None:
    before = halfway(tmp_path, lambda facts: facts["spec"].update(PAID)).read_text()
    for limits, typed in (
        ({"free": True}, ("--free",)),
        ({"price_in": 0, "price_out": 0}, ("--price-in", "0.00", "--price-out", "0.00")),
    ):
        whole = json.loads(before)
        whole["packmule"]["limits"] |= limits
        (tmp_path / "f.json").write_text(json.dumps(whole))
        said = go_on(tmp_path, env=KEY)
        assert said.code == 2, said.err
        assert "openai/gpt-5-mini" in said.lines[0]
        assert " ".join(typed) in said.lines[1]
        assert batches(tmp_path) == ""
        assert go_on(tmp_path, *typed, "--dry-run", env=KEY).code == 0


def test_a_count_of_nothing_to_do_is_no_consent(tmp_path: Path) -> None:
    path = halfway(tmp_path, lambda facts: facts["spec"].update(PAID))
    whole = json.loads(path.read_text())
    whole["progress"]["pending"] = 0
    whole["config"]["total_count"] = whole["progress"]["completed"]
    whole["packmule"]["limits"].pop("max_cost")
    path.write_text(json.dumps(whole))
    said = packmule(tmp_path, "run", "--resume", "f.json", env=KEY)
    assert said.code == 2, said.err
    assert "nobody has agreed" in said.err


def deep(facts: Facts) -> None:
    facts["results"][0]["output"] = "DEEP"


DAMAGES: list[tuple[Callable[[Facts], object], str]] = [
    (lambda facts: facts.update(settled_pico="²"), "settled_pico"),
    (lambda facts: facts.update(settled_pico="9" * 5000), "settled_pico"),
    (lambda facts: facts.update(unknown_pico="-1"), "unknown_pico"),
    (lambda facts: facts.update(tokens_in=2**62), "tokens_in"),
    (lambda facts: facts.update(tokens_in=0), "more than the batch (tokens_in)"),
    (lambda facts: facts["results"][0].update(cost=-1), "cost"),
    (lambda facts: facts["results"][0].update(tokens_out=2**70), "tokens_out"),
    (lambda facts: facts["results"][0].update(latency_ms=-1), "latency_ms"),
    (lambda facts: facts["results"][0].update(attempts=3_000_000), "attempts"),
    (lambda facts: facts["results"][0].update(state="pending"), "state"),
    (lambda facts: facts.update(store="/" + "x" * 5000), "File name too long"),
    (lambda facts: facts.update(out_dir="out\0"), "null byte"),
    (lambda facts: facts.update(recipe_path="x" * 5000 + ".py:go"), "File name too long"),
    (lambda facts: facts.update(source_path=LOOP), "Too many levels of symbolic links"),
    (lambda facts: facts["source"].update(name="x" * 5000), "File name too long"),
    (lambda facts: facts["spec"].update(schema="{"), "its schema is no JSON object"),
    (lambda facts: facts["spec"].update(schema='"os:system"'), "its schema is no JSON object"),
    (lambda facts: facts["spec"].update(schema='{"type": 3}'), "not a valid JSON Schema"),
    (lambda facts: facts["spec"].update(temperature=-1), "--temperature -1 is too small"),
    (lambda facts: facts.update(ancestors=["../../x"]), "ancestors"),
    (deep, "nested too deeply"),
]


def test_a_file_that_says_what_cannot_be_is_damaged_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    before = halfway(tmp_path).read_text()
    for change, reason in DAMAGES:
        whole = json.loads(before)
        facts = whole["packmule"]
        change(facts)
        facts["identity"] = identity(msgspec.convert(facts["spec"], Spec), msgspec.convert(facts["source"], SourceMark))
        text = json.dumps(whole).replace('"DEEP"', "[" * 100_000 + "]" * 100_000)
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(UsageError) as refused:
            compose.read_checkpoint(Path("f.json"), force=True)
        assert refused.value.message.startswith("f.json is damaged: ")
        assert reason in refused.value.message
        assert len(refused.value.message) < 300
    for words in (("run", "--resume", "f.json", "--force"), ("batch", "show", "f.json"), ("batch", "cancel", "f.json")):
        said = packmule(tmp_path, *words)
        assert said.code == 2, said.err
        assert "f.json is damaged: it is nested too deeply" in said.lines[0]
    assert not (tmp_path / ".packmule").exists()


def test_a_batchs_name_and_day_in_a_file_must_be_such(tmp_path: Path) -> None:
    before = halfway(tmp_path).read_text()
    for name, value in (("batch_id", "../../x"), ("created_at", "yesterday"), ("batch_id", "x" * 5000)):
        (tmp_path / "f.json").write_text(json.dumps({**json.loads(before), name: value}))
        said = packmule(tmp_path, "run", "--resume", "f.json")
        assert said.code == 2, said.err
        assert f"$.{name}" in said.lines[0]


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to("loop.json")
    for name, reason in (
        ("pipe.json", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("loop.json", "Too many levels of symbolic links"),
        ("x" * 5000, "File name too long"),
    ):
        for words in (("run", "--resume", name), ("run", "rows.csv", "--prompt", "x", *MODEL, "--checkpoint", name)):
            said = packmule(tmp_path, *words)
            assert said.code == 2, said.err
            assert reason in said.err
    assert packmule(tmp_path, "batch", "show", "x" * 5000).code == 6
    folder = tmp_path / ".packmule" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "loop.json").symlink_to("loop.json")
    assert "Too many levels" in packmule(tmp_path, "batch", "list").out


def test_an_input_that_only_the_file_names_is_never_read_as_a_device(tmp_path: Path) -> None:
    halfway(tmp_path, lambda facts: facts.update(source_path="/dev/zero"))
    said = go_on(tmp_path)
    assert said.code == 2, said.err
    assert "its input /dev/zero is not there either" in said.err
    assert go_on(tmp_path, "--force").code == 2


def test_another_programs_database_is_not_made_a_store(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.sqlite"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE notes (text)")
    before = foreign.read_bytes()
    halfway(tmp_path, lambda facts: facts.update(store=str(foreign)))
    said = go_on(tmp_path)
    assert said.code == 6, said.err
    assert "is a database of another program" in said.lines[0]
    assert foreign.read_bytes() == before


def test_results_never_replace_what_is_another_batchs_or_a_persons(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "results.csv").write_text("my own\n")
    halfway(tmp_path, lambda facts: facts.update(out_dir=str(mine)), lost=False)
    shutil.copytree(tmp_path / ".packmule", tmp_path / "kept")
    said = go_on(tmp_path)
    assert said.code == 0, said.err
    assert len(results(tmp_path / "out")) == 30
    assert [path.name for path in mine.iterdir()] == ["results.csv"]
    # And the same without a store: then they go to the usual place.
    shutil.rmtree(tmp_path / "out")
    lose(tmp_path)
    shutil.rmtree(tmp_path / "kept")
    whole = json.loads((tmp_path / "f.json").read_text())
    whole["packmule"]["out_dir"] = str(mine)
    (tmp_path / "f.json").write_text(json.dumps(whole))
    said = go_on(tmp_path)
    assert said.code == 0, said.err
    assert [path.name for path in mine.iterdir()] == ["results.csv"]
    assert len(list((tmp_path / "packmule-out").glob("*/results.jsonl"))) == 1

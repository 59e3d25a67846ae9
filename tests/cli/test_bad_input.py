"""Bad input gets one clear sentence, a non-zero exit, and loses nothing."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CLEAN, MODEL, PROMPT, packmule, rows

ASK = ("--prompt", PROMPT, *MODEL, "-o", "out")


def refused(folder: Path, *words: str, code: int, says: str, env: dict[str, str] | None = None) -> None:
    """One sentence that says so, the right exit, no batch."""
    said = packmule(folder, *words, env=env)
    assert said.code == code, said.err
    assert says in said.err, said.err
    assert len([line for line in said.lines if line.startswith("packmule: ")]) == 1, said.err
    assert not (folder / "out" / "results.jsonl").exists()


def test_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(tmp_path, "run", "row.csv", *ASK, code=2, says="did you mean rows.csv?".replace("did", "Did"))


def test_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "run", "empty", *ASK, code=2, says="empty")


def test_binary_as_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(bytes(range(256)) * 20)
    refused(tmp_path, "run", "x.csv", *ASK, code=2, says="binary")


def test_row_of_the_wrong_width_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,text\n1,fine\n2,too,many\n")
    refused(tmp_path, "run", "x.csv", *ASK, code=2, says="line 3")


def test_field_of_a_hundred_megabytes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,text\n1,fine\n2," + "x" * 100_000_000 + "\n")
    refused(tmp_path, "run", "x.csv", *ASK, code=2, says="line 3")


@pytest.mark.parametrize("text", ["{", '{"type": "no-such-type"}', "[1, 2]"])
def test_bad_schema(tmp_path: Path, text: str) -> None:
    rows(tmp_path, 1)
    (tmp_path / "s.json").write_text(text)
    refused(tmp_path, "run", "rows.csv", *ASK, "--schema", "s.json", code=2, says="s.json")


def test_unknown_model(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(
        tmp_path,
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "opnai/gpt-5-mini",
        "-o",
        "out",
        code=6,
        says="ean openai/gpt-5-mini?",
    )


def test_no_key(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(
        tmp_path,
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "anthropic/claude-3-haiku-20240307",
        "-o",
        "out",
        code=6,
        says="ANTHROPIC_API_KEY",
    )


def test_unknown_price(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(
        tmp_path,
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "openai/gpt-no-such-9",
        "-o",
        "out",
        "--max-cost",
        "1",
        code=6,
        says="--price-in",
        env={"OPENAI_API_KEY": "sk-x"},
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--max-cost", "-1"),
        ("--max-cost", "much"),
        ("--item-cap", "0"),
        ("--concurrency", "0"),
        ("--timeout", "0"),
        ("--limit", "0"),
        ("--retry-count", "-1"),
        ("--max-cost", "nan"),
        ("--max-output-tokens", "0"),
        ("--temperature", "-0.5"),
        ("--temperature", "nan"),
        ("--rpm", "inf"),
        ("--timeout", "nan"),
        ("--retry-delay", "inf"),
        ("--max-cost", "1e30"),
        ("--max-output-tokens", "99999999999999999999"),
    ],
)
def test_limits_that_make_no_sense_name_their_option(tmp_path: Path, option: str, value: str) -> None:
    rows(tmp_path, 1)
    refused(tmp_path, "run", "rows.csv", *ASK, option, value, code=2, says=option)


def test_a_filter_that_no_row_passes_is_refused(tmp_path: Path) -> None:
    rows(tmp_path, 3)
    refused(tmp_path, "run", "rows.csv", *ASK, "--where", "text~nowhere", code=2, says="none of 3 rows passes")


def test_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    (tmp_path / "file").write_text("")
    said = packmule(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "file/out")
    assert said.code == 6
    assert "output folder" in said.err


def test_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    packmule(tmp_path, "run", "rows.csv", *ASK)
    store = tmp_path / ".packmule" / "store.db"
    with sqlite3.connect(store) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    said = packmule(tmp_path, "list")
    assert said.code == 6
    assert "newer packmule" in said.err


def test_damaged_store_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".packmule").mkdir()
    (tmp_path / ".packmule" / "store.db").write_bytes(b"not a database" * 1000)
    said = packmule(tmp_path, "list")
    assert said.code == 6
    assert "damaged or not a packmule store" in said.err


def test_unknown_field_and_column_suggest_the_nearest(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(
        tmp_path, "run", "rows.csv", "--prompt", "Say {txt}", *MODEL, "-o", "out", code=2, says="did you mean 'text'"
    )
    refused(tmp_path, "run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--key", "idd", code=2, says="idd")
    refused(tmp_path, "run", "rows.csv", *ASK, "--where", "txt~x", code=2, says="txt")
    refused(tmp_path, "run", "rows.csv", *ASK, "--where", "text~(", code=2, says="--where")


def test_no_prompt_and_no_prompt_column_lists_the_columns(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(tmp_path, "run", "rows.csv", *MODEL, "-o", "out", code=2, says="'id', 'text'")


def test_bad_recipes(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    (tmp_path / "mine.py").write_text("def plain(item, ask):\n    return 1\n\nasync def lonely(item):\n    return 1\n")
    for spec, says in (
        ("mine.py:nothing", "no function"),
        ("mine.py:plain", "not an async function"),
        ("mine.py:lonely", "two arguments"),
        ("gone.py:recipe", "no file"),
        ("mine", "names no function"),
    ):
        refused(tmp_path, "run", "rows.csv", "--recipe", spec, *MODEL, "-o", "out", code=2, says=says)


def test_commands_without_a_store_or_batch_say_so(tmp_path: Path) -> None:
    for words in (("resume",), ("retry",), ("show",), ("unknown",), ("export", "-o", "x.csv")):
        said = packmule(tmp_path, *words)
        assert said.code == 6, said.err
        assert "no store" in said.err
    rows(tmp_path, 1)
    packmule(tmp_path, "run", "rows.csv", *ASK)
    assert packmule(tmp_path, "show", "batch-nope").code == 2


def test_http_to_a_stranger_is_refused_before_a_key_is_sent(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(
        tmp_path,
        "run",
        "rows.csv",
        "--prompt",
        PROMPT,
        "--model",
        "openai/gpt-5-mini",
        "-o",
        "out",
        "--max-cost",
        "1",
        "--base-url",
        "http://example.org/v1",
        code=2,
        says="--base-url",
        env={"OPENAI_API_KEY": "sk-canary"},
    )


def test_a_header_without_rows_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,text\n")
    said = packmule(tmp_path, "run", "x.csv", *ASK)
    assert said.code == 2
    assert "no rows" in said.err


def test_records_of_a_refused_schema_file_stay_untouched(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    assert packmule(tmp_path, "run", "rows.csv", *ASK).code == 0
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    (tmp_path / "s.json").write_text("{")
    assert packmule(tmp_path, "run", "rows.csv", *ASK, "--schema", "s.json").code == 2
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before
    assert json.loads(before.splitlines()[0])["status"] == "completed"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_and_full_streams_do_not_end_a_run(tmp_path: Path, closed: str) -> None:
    rows(tmp_path, 2)
    words = shlex.join([sys.executable, "-m", "packmule", "run", "rows.csv", *ASK])
    done = subprocess.run(["sh", "-c", f"{words} {closed}"], cwd=tmp_path, env=CLEAN, timeout=60, check=False)
    assert done.returncode == 0
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 2


def test_a_file_name_that_is_no_text_is_still_an_item(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / os.fsdecode(b"bad\xff.txt")).write_text("hello there")
    said = packmule(tmp_path, "run", "notes", *ASK)
    assert said.code == 0, said.err
    assert '"key":"bad\ufffd.txt"' in (tmp_path / "out" / "results.jsonl").read_text()


def test_a_schema_that_needs_itself_without_end_fails_its_items_only(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    loop = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    (tmp_path / "loop.json").write_text(json.dumps(loop))
    said = packmule(tmp_path, "run", "rows.csv", *ASK, "--schema", "loop.json", "-o", "out")
    assert said.code == 3
    assert "packmule retry" in said.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("async def recipe(item, ask): ...\nrecipe.calls_max = 'three'\n", "calls_max is 'three'"),
        ("import nosuchmodule\nasync def recipe(item, ask): ...\n", "pip install nosuchmodule"),
    ],
)
def test_a_recipe_file_with_a_mistake(tmp_path: Path, text: str, says: str) -> None:
    rows(tmp_path, 1)
    (tmp_path / "mine.py").write_text(text)
    refused(tmp_path, "run", "rows.csv", "--recipe", "mine.py:recipe", *MODEL, "-o", "out", code=2, says=says)


def test_a_recipe_file_that_is_not_there(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(tmp_path, "run", "rows.csv", "--recipe", "gone.py:r", *MODEL, "-o", "out", code=2, says="no file gone.py")


def test_a_scenario_beside_a_model_that_is_not_simulated(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    words = ("run", "rows.csv", "--prompt", PROMPT, "--model", "openai/gpt-5-mini", "-o", "out")
    env = {"OPENAI_API_KEY": "sk-canary-0123456789"}
    refused(tmp_path, *words, "--sim-scenario", "s.toml", code=2, says="--sim-scenario is for sim/ models", env=env)


def test_a_module_that_leaves_when_it_is_imported(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    refused(tmp_path, "run", "rows.csv", *ASK, "--schema", "leaves:Thing", code=2, says="SystemExit")
    refused(tmp_path, "run", "rows.csv", "--recipe", "leaves.py:r", *MODEL, "-o", "out", code=2, says="SystemExit")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "rows.csv", *MODEL, "-o", "out", "--prompt"),
        ("run", "rows.csv", *ASK, "--checkpoint"),
        ("set", "--concurrency", "3", "--reason"),
        ("show",),
    ],
)
def test_words_that_are_not_utf_8(tmp_path: Path, words: tuple[str, ...]) -> None:
    rows(tmp_path, 1)
    assert packmule(tmp_path, "run", "rows.csv", *ASK).code == 0
    command = [*map(os.fsencode, (sys.executable, "-m", "packmule", *words)), b"Say \xff {text}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=CLEAN, check=False)
    assert done.returncode == 2
    assert b"packmule: 'Say \\udcff {text}' holds bytes that are not UTF-8 text" in done.stderr


def test_a_sim_model_at_an_address_is_a_server_and_needs_consent(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    refused(tmp_path, "run", "rows.csv", *ASK, "--base-url", "http://127.0.0.1:9", code=2, says="nobody has agreed")


def test_a_new_bound_of_a_round_that_is_no_count(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    scenario = tmp_path / "bad.toml"
    scenario.write_text("[[fail]]\npattern = 'lamp'\nstatus = 400\n")
    assert packmule(tmp_path, "run", "rows.csv", *ASK, "--sim-scenario", str(scenario)).code == 3
    said = packmule(tmp_path, "retry", "--max-output-tokens", "-100000")
    assert said.code == 2
    assert "--max-output-tokens -100000 is too small" in said.err
    assert "failed" in packmule(tmp_path, "show").out


def test_a_table_with_very_many_columns_is_read_at_once(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(50_000)]
    (tmp_path / "wide.csv").write_text(",".join(["text", *names]) + "\n" + ",".join(["x"] * 50_001) + "\n")
    said = packmule(tmp_path, "run", "wide.csv", "--prompt", "{text}", *MODEL, "--dry-run")
    assert said.code == 0

"""Templates: what a batch asked, asked of other rows; nothing of its data goes along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, PROMPT, packmule, results, rows

SECRET = "sk-test-0123456789abcdefghij"
ORDER = (
    *("run", "rows.csv", "--prompt", PROMPT, "--system", "Be brief: no # signs.", "-m", "sim/large", "-m", "sim/small"),
    *("--schema", "s.json", "--key", "id", "--skip", "id~^a1$", "--max-cost", "1.25", "--concurrency", "3"),
    *("--retry-on", "timeout", "--timeout", "45"),
)
SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows(tmp_path, 3)
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    return tmp_path


def use(folder: Path, text: str, *words: str) -> str:
    (folder / "t.yaml").write_text(text)
    return packmule(folder, "run", "--template", "t.yaml", "rows.csv", "--dry-run", *words).err


def test_a_saved_template_asks_the_same_of_other_rows(folder: Path) -> None:
    said = packmule(folder, *ORDER, env={"OPENAI_API_KEY": SECRET})
    assert said.code == 0, said.err
    assert packmule(folder, "template", "save", "batch", "t.yaml").code == 0
    text = (folder / "t.yaml").read_text()
    assert "rows.csv" not in text
    assert "lamp" not in text
    assert SECRET not in text
    assert str(folder) not in text
    (folder / "s.json").unlink()
    rows(folder, 5, "new.csv")
    again = packmule(folder, "run", "--template", "t.yaml", "new.csv", "-o", "out")
    assert again.code == 0, again.err
    assert "cap $1.25" in again.err
    found = results(folder / "out")
    assert len(found) == 5
    assert [r["key"] for r in found if r["status"] == "completed"] == ["a0", "a2", "a3", "a4"]
    assert all("mood" in r["output"] for r in found if r["status"] == "completed")
    # The template of the second batch is the first one: nothing was lost on the way.
    packmule(folder, "template", "save", packmule(folder, "show").out.split()[0], "u.yaml")
    assert text.splitlines()[1:] == (folder / "u.yaml").read_text().splitlines()[1:]


def test_stated_prices_go_along(folder: Path) -> None:
    words = ("run", "rows.csv", "--prompt", PROMPT, "-m", "sim/small", "-o", "out")
    assert packmule(folder, *words, "--price-in", "0.25", "--price-out", "12").code == 0
    packmule(folder, "template", "save", "batch", "t.yaml")
    assert "price_in: '0.25'\nprice_out: '12.00'\n" in (folder / "t.yaml").read_text()
    said = packmule(folder, "run", "--template", "t.yaml", "rows.csv", "--fresh")
    assert said.code == 0, said.err
    assert "$0.25 in, $12.00 out per million tokens (stated" in said.err
    assert "t.yaml: price_in" in use(folder, "prompt: x\nmodel: sim/small\nprice_in: much\n")
    assert "t.yaml: free" in use(folder, "prompt: x\nmodel: sim/small\nfree: 1\n")
    packmule(folder, *words, "--free", "--fresh")
    packmule(folder, "template", "save", packmule(folder, "show").out.split()[0], "u.yaml")
    assert "free: true\n" in (folder / "u.yaml").read_text()


def test_the_same_words_with_the_template_go_on_with_the_batch(folder: Path) -> None:
    packmule(folder, *ORDER)
    packmule(folder, "template", "save", "batch", "t.yaml")
    assert "finished already" in packmule(folder, "run", "--template", "t.yaml", "rows.csv", "--dry-run").err


def test_a_template_of_a_recipe_names_it(folder: Path) -> None:
    recipe = next((EXAMPLES / "recipes").glob("*.py"))
    assert use(folder, f"recipe: {recipe}:nothing_here\nmodel: sim/small\n")
    assert "has no place beside it" in use(folder, f"recipe: {recipe}:x\nprompt: y\n")


def test_flags_override_the_template(folder: Path) -> None:
    text = "prompt: From the template {text}\nmodel: sim/small\nmax_cost: 3\n"
    assert "From the template The lamp" in use(folder, text)
    assert "Mine: The lamp" in use(folder, text, "--prompt", "Mine: {text}")
    (folder / "p.md").write_text("Of a file: {text}")
    assert "Of a file: The lamp" in use(folder, text, "--prompt-file", "p.md")
    assert "cap $4.00" in use(folder, text, "--max-cost", "4")
    assert "$3.00 in" in use(folder, text, "--model", "sim/large")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("promt: x\n", ["t.yaml: promt is not known", "'prompt'"]),
        ("store: x\n", ["t.yaml: store is not known"]),
        ("prompt: [1]\n", ["t.yaml: prompt"]),
        ("limit: few\n", ["t.yaml: limit"]),
        ("max_cost: 0\n", ["t.yaml: max_cost 0 is not above zero"]),
        ("prompt: x\nmodel: a\nprompt: y\n", ["t.yaml, line 3, column 1: the key 'prompt' stands here"]),
        ("timeout: 1:30\n", ["t.yaml: timeout: '1:30' is not a number"]),
        ("prompt: 'x\n", ["t.yaml, line", "not valid YAML"]),
        ("prompt: x\nmodel: sim/small\nschema: {type: nothing}\n", ["not a valid JSON Schema"]),
    ],
)
def test_a_slip_in_a_template_is_named(folder: Path, text: str, words: list[str]) -> None:
    err = use(folder, text)
    assert all(word in err for word in words), err


def test_a_template_that_is_not_there_and_one_that_is(folder: Path) -> None:
    said = packmule(folder, "run", "--template", "no.yaml", "rows.csv")
    assert said.code == 2
    assert "no.yaml cannot be read" in said.err
    packmule(folder, *ORDER)
    (folder / "t.yaml").write_text("mine")
    assert packmule(folder, "template", "save", "batch", "t.yaml").code == 2
    assert (folder / "t.yaml").read_text() == "mine"

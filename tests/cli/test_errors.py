"""Why items failed, grouped, and asking again what can be helped, from a person's side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import MODEL, PROMPT, packmule, results, rows, start
from tests.cli.terminal import Terminal

RUN = ("run", "rows.csv", "--prompt", PROMPT, *MODEL, "-o", "out", "--retry-count", "0", "--progress", "log")
TROUBLE = """
[[fail]]
pattern = "number 1"
status = 400
[[fail]]
pattern = "number [23] "
status = 500
"""
CAUSES = """
async def recipe(item, ask):
    match item.key:
        case "a0":
            raise ValueError(f"row {item.seq} is odd")
        case "a1":
            return await ask(item["text"], check=lambda value: f"{len(value)} characters are too many")
        case "a2":
            return await ask("")
        case "a3":
            return await ask(item["text"], schema={"type": "object", "required": ["x"]}, max_output_tokens=1)
        case _:
            return await ask(item["text"])
"""


def failed(folder: Path, *more: str) -> None:
    """20 items: a1 and a10 to a19 are refused, a2 and a3 meet a server that fails."""
    rows(folder, 20)
    (folder / "trouble.toml").write_text(TROUBLE)
    said = packmule(folder, *RUN, "--sim-scenario", "trouble.toml", *more)
    assert said.code == 3, said.err
    assert "packmule errors batch-" in said.err


def states(folder: Path) -> dict[str, str]:
    return {r["key"]: r["status"] for r in results(folder / "out")}


def test_errors_groups_by_cause_with_samples_and_says_whether_a_retry_can_help(tmp_path: Path) -> None:
    failed(tmp_path)
    said = packmule(tmp_path, "errors")
    assert said.code == 0, said.err
    first, second = said.out.split("\n\n")[1:]
    assert first.startswith("11 x invalid_request: the provider answered 400")
    assert first.count("  sample   a1") == 3
    assert "A retry does not help" in first
    assert "--only" not in first
    assert second.startswith("2 x server_error: the provider answered 500")
    assert re.search(r"burnt    \$0\.00, \$0\.\d+ may have been billed", second)
    assert "a2: the provider answered 500" in second
    assert "A retry can help" in second
    command = re.search(r"packmule (retry batch-\S+ --only server_error)$", second.strip())
    assert command
    assert packmule(tmp_path, *command[1].split()).code == 3
    assert list(states(tmp_path).values()).count("failed") == 11


def test_errors_for_programs_are_one_object(tmp_path: Path) -> None:
    failed(tmp_path)
    found = json.loads(packmule(tmp_path, "errors", "--json").out)
    assert [(item["cause"], item["count"]) for item in found["items"]] == [("invalid_request", 11), ("server_error", 2)]
    assert found["items"][1]["retry"]["helps"] == "yes"
    assert float(found["items"][1]["unknown_usd"]) > 0
    assert found["items"][0]["samples"][0]["key"] == "a1"


def test_no_failures_says_so(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    packmule(tmp_path, *RUN)
    said = packmule(tmp_path, "errors")
    assert (said.code, said.out) == (0, "")
    assert "no item of batch-" in said.err


def test_causes_have_stable_names_whatever_failed(tmp_path: Path) -> None:
    rows(tmp_path, 6)
    (tmp_path / "mine.py").write_text(CAUSES)
    said = packmule(tmp_path, "run", "rows.csv", "--recipe", "mine.py:recipe", *MODEL, "-o", "out")
    assert said.code == 3, said.err
    out = packmule(tmp_path, "errors").out
    for name in ("recipe", "check", "input", "length"):
        assert f"\n1 x {name}: " in out, out
    assert "--only length --max-output-tokens MORE" in out
    assert "mend the input" in out


def test_a_held_item_is_called_so_and_a_retry_asks_it_again(tmp_path: Path) -> None:
    failed(tmp_path, "--on-unknown", "hold")
    assert "2 x held: the provider answered 500" in packmule(tmp_path, "errors").out
    packmule(tmp_path, "retry", "--only", "held")
    assert states(tmp_path)["a2"] == "completed"


def test_answers_that_never_fit_the_schema_are_called_so(tmp_path: Path) -> None:
    rows(tmp_path, 8)
    (tmp_path / "schema.json").write_text('{"type": "object", "properties": {"n": {"type": "integer"}}}')
    (tmp_path / "hostile.toml").write_text('manner = "hostile"\n')
    options = ("--schema", "schema.json", "--retries-invalid", "0", "--sim-scenario", "hostile.toml")
    assert packmule(tmp_path, *RUN, *options).code == 3
    names = set(re.findall(r"\n\d+ x (\w+): ", packmule(tmp_path, "errors").out))
    assert names
    assert names <= {"schema", "length", "refusal", "content_filter", "empty", "malformed"}


def test_a_blocked_item_names_the_option_that_lets_it_go_on(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    assert packmule(tmp_path, *RUN, "--item-cap", "0.000001").code == 3
    assert "2 x item_cap: " in packmule(tmp_path, "errors").out
    assert "--only item_cap --item-cap MORE" in packmule(tmp_path, "errors").out
    assert packmule(tmp_path, "retry", "--only", "item_cap", "--item-cap", "1").code == 0


def test_retry_only_a_cause_asks_those_alone_and_pays_nothing_twice(tmp_path: Path) -> None:
    failed(tmp_path)
    said = packmule(tmp_path, "retry", "--only", "server_error")
    assert said.code == 3, said.err
    assert re.search(r"2 items to retry, about <?\$0\.0\d+ at the mean of 7 items done", said.err)
    found = {r["key"]: (r["status"], r["attempts"]) for r in results(tmp_path / "out")}
    assert found["a2"] == found["a3"] == ("completed", 2)
    assert found["a0"] == ("completed", 1)
    assert found["a1"] == ("failed", 1)


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        (("a10,a11",), {"a10", "a11"}),
        (("a10", "server_error"), {"a2", "a3", "a10"}),
        (("server_error, a10",), {"a2", "a3", "a10"}),
        (("failed", "a1"), {"a1", "a2", "a3", *(f"a{n}" for n in range(10, 20))}),
        (("blocked", "a1"), {"a1"}),
        ((), {"a1", "a2", "a3", *(f"a{n}" for n in range(10, 20))}),
    ],
)
def test_only_takes_causes_states_and_items(tmp_path: Path, only: tuple[str, ...], chosen: set[str]) -> None:
    failed(tmp_path)
    words = [word for value in only for word in ("--only", value)]
    said = packmule(tmp_path, "retry", *words)
    assert f"{len(chosen)} item{'s' if len(chosen) > 1 else ''} to retry" in said.err, said.err
    assert {r["key"] for r in results(tmp_path / "out") if r["attempts"] == 2} == chosen


def test_an_unknown_word_names_the_causes_there_are_and_changes_nothing(tmp_path: Path) -> None:
    failed(tmp_path)
    said = packmule(tmp_path, "retry", "--only", "sever_error")
    assert said.code == 2
    assert "'sever_error'" in said.err
    assert "invalid_request (11), server_error (2)" in said.err
    assert "round" not in packmule(tmp_path, "logs").out


@pytest.mark.parametrize("only", ["timeout", "a0", "blocked", "skipped", "", " , "])
def test_words_that_choose_nothing_are_refused(tmp_path: Path, only: str) -> None:
    failed(tmp_path)
    said = packmule(tmp_path, "retry", "--only", only)
    assert said.code == 2
    assert f"nothing to retry by --only {only}" in said.err
    assert "server_error (2)" in said.err


def test_an_item_named_with_a_comma_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('id,text\n"x,y",number 1 a\n"x",number 1 b\n"z",good\n')
    (tmp_path / "trouble.toml").write_text(TROUBLE)
    packmule(tmp_path, *RUN, "--sim-scenario", "trouble.toml")
    assert "1 item to retry" in packmule(tmp_path, "retry", "--only", "x,y").err
    assert states(tmp_path) == {"x,y": "completed", "x": "failed", "z": "completed"}


EVIL = "a\nb\tc\x1b[31md\u202ee"
ESCAPED = r"a\nb\tc\x1b[31md\u202ee"


def test_a_key_that_would_break_a_line_or_steer_the_terminal_is_shown_in_escapes(tmp_path: Path) -> None:
    lines = [
        {"id": EVIL, "text": "number 1"},
        {"id": "b\n\x1b]0;x\x07", "text": "number 2 x"},
        {"id": "c", "text": "good"},
    ]
    (tmp_path / "[red]x\nx.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "trouble.toml").write_text(TROUBLE)
    words = ("run", "[red]x\nx.jsonl", *RUN[2:], "--sim-scenario", "trouble.toml")
    assert packmule(tmp_path, *words).code == 3
    found = packmule(tmp_path, "errors")
    assert f"  sample   {ESCAPED}: the provider" in found.out
    listed = packmule(tmp_path, "list").out
    assert "[red]x\\nx.jsonl" in listed
    assert len(listed.splitlines()) == 2
    (lost,) = packmule(tmp_path, "unknown").out.splitlines()
    assert lost.startswith("b\\n\\x1b]0;x\\x07\tcall 1")
    assert "source   [red]x\\nx.jsonl\n" in packmule(tmp_path, "show").out
    assert json.loads(packmule(tmp_path, "errors", "--json").out)["items"][0]["samples"][0]["key"] == EVIL
    assert "\x1b" not in found.out + listed


def test_a_reason_of_several_lines_is_one_line_of_a_log(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    packmule(tmp_path, *RUN, "--max-output-tokens", "60", "--concurrency", "2", "--max-cost", "0.0007")
    said = packmule(tmp_path, "set", "--concurrency", "3", "--reason", "one\ntwo")
    assert r"(one\ntwo)" in said.err
    assert r"(one\ntwo)" in packmule(tmp_path, "logs").out


def test_another_model_is_priced_by_its_own_price_before_anything_is_asked(tmp_path: Path) -> None:
    failed(tmp_path)
    prices = []
    for model in ("openai/gpt-5-nano", "openai/gpt-5"):
        env = {"OPENAI_API_KEY": "sk-canary-0123456789"}
        said = packmule(tmp_path, "retry", "--only", "invalid_request", "--model", model, env=env)
        assert said.code == 2
        assert "nobody has agreed" in said.err
        found = re.search(r"11 items to retry, about <?\$([\d.]+) with openai", said.err)
        assert found, said.err
        prices.append(float(found[1]))
    assert prices[1] > 10 * prices[0]
    assert "round" not in packmule(tmp_path, "logs").out


def test_a_round_on_a_paid_model_goes_with_a_cap_or_a_yes(tmp_path: Path) -> None:
    failed(tmp_path)
    sim = start(tmp_path, "sim", "serve", "--port", "0")
    assert sim.stdout is not None
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": sim.stdout.readline().strip() + "/v1"}
    other = ("retry", "--model", "openai/gpt-5-mini", "--only")
    capped = packmule(tmp_path, *other, "server_error", "--max-cost", "5", env=env)
    agreed = packmule(tmp_path, *other, "invalid_request", "--yes", env=env)
    sim.terminate()
    sim.communicate()
    assert "; cap $5.00" in capped.err
    assert (capped.code, agreed.code) == (3, 0), capped.err + agreed.err
    assert set(states(tmp_path).values()) == {"completed"}


def test_nothing_completed_is_priced_by_the_prompts(tmp_path: Path) -> None:
    rows(tmp_path, 5)
    (tmp_path / "all.toml").write_text('[[fail]]\npattern = "number"\nstatus = 400\n')
    packmule(tmp_path, *RUN, "--sim-scenario", "all.toml")
    said = packmule(tmp_path, "retry")
    assert re.search(r"5 items to retry, about <?\$0\.0\d+ guessed from the prompts of 5 items", said.err), said.err


def test_a_person_at_a_terminal_is_asked_before_a_paid_round(tmp_path: Path) -> None:
    failed(tmp_path)
    env = {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with Terminal(tmp_path, "retry", "--only", "a2", "--model", "openai/gpt-5", env=env) as terminal:
        terminal.wait_for("1 item to retry, about", "Spend it?")
        terminal.press("n\n")
        assert terminal.end() == 2
    assert states(tmp_path)["a2"] == "failed"


def test_the_error_panel_says_cause_and_help(tmp_path: Path) -> None:
    rows(tmp_path, 100)
    (tmp_path / "slow.toml").write_text(f"[latency]\nmedian_s = 0.3\nsigma = 0.1\n{TROUBLE}")
    words = (*RUN[:-2], "--concurrency", "4", "--sim-scenario", "slow.toml")
    with Terminal(tmp_path, *words) as terminal:
        terminal.wait_for("✗ failed")
        terminal.press("e")
        terminal.wait_for("x invalid_request (no retry helps): the provider", "x server_error (a retry can help): ")
        terminal.wait_for("11 x invalid_request")

"""Style is a test: each rule fails with a message that says what to do."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "packmule"
SOURCES = sorted(SRC.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTION_MAX = 70
MODULE_MAX = 400
CLOCKS = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns", "process_time"}
BAD_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "types"}
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|CREATE\s+TABLE|DELETE\s+FROM)\b", re.DOTALL
)
RECIPE_WORDS = re.compile(r"\b(personas?|debates?|judges?|actors?|sample sets?|reviews?|tickets?)\b", re.IGNORECASE)
OPTIONS = 45
"""`run` has one parameter an option; its body is what counts there."""


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(tree_of(path))


def where(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{path.relative_to(ROOT)}{line}"


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_functions_and_modules_are_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_MAX, f"{where(path)} has {lines} lines: split it along its ideas"
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = node.body[0].lineno if len(node.args.args) + len(node.args.kwonlyargs) > 12 else node.lineno
            length = (node.end_lineno or start) - start + 1
            assert length <= FUNCTION_MAX, f"{where(path, node)} {node.name} has {length} lines: take a step out of it"


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_every_module_says_its_rule(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{where(path)}: begin with a docstring that says what governs this file"


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_clocks_are_read_in_one_place(path: Path) -> None:
    if path == SRC / "engine" / "clock.py":
        return
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            clock = (node.value.id == "time" and node.attr in CLOCKS) or (
                node.value.id in {"datetime", "date"} and node.attr in {"now", "utcnow", "today"}
            )
            assert not clock, f"{where(path, node)} reads a clock: take a Clock as a parameter"


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_chance_is_always_seeded_or_passed_in(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
            assert node.attr == "Random", (
                f"{where(path, node)} uses the global random: take an Rng, or random.Random(seed)"
            )
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            assert {alias.name for alias in node.names} <= {"Random"}, f"{where(path, node)}: import random.Random only"


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_tasks_live_in_task_groups(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            bare = node.func.attr == "ensure_future" or (
                node.func.attr == "create_task"
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"asyncio", "loop"}
            )
            assert not bare, f"{where(path, node)} starts a bare task: use a task group's create_task"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=where)
def test_modules_are_named_after_an_idea(path: Path) -> None:
    bad = path.stem in BAD_NAMES or ("manager" in path.stem and path != SRC / "manager.py")
    assert not bad, f"{where(path)}: name the module after the one idea it holds"


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_sql_stands_only_in_the_store(path: Path) -> None:
    if path.is_relative_to(SRC / "store"):
        return
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.search(node.value), f"{where(path, node)} holds SQL: put it into store/sql/statements.sql"


@pytest.mark.parametrize("path", sorted((SRC / "sim").rglob("*")), ids=where)
def test_the_sim_knows_no_recipe(path: Path) -> None:
    if path.is_file() and path.suffix in {".py", ".md", ".toml"}:
        found = RECIPE_WORDS.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{where(path)} speaks of {found[0] if found else ''}: the sim sees wire bytes only"


@pytest.mark.parametrize("path", TESTS, ids=where)
def test_tests_use_real_parts_and_shipped_fakes(path: Path) -> None:
    if path == Path(__file__):
        return
    text = path.read_text(encoding="utf-8")
    assert "unittest.mock" not in text, f"{where(path)}: use a shipped fake instead of a mock"
    assert not re.search(r"monkeypatch\.setattr\(\s*[\"']?packmule", text), (
        f"{where(path)}: pass a part in, do not patch"
    )


def test_every_point_of_door_4_has_its_test() -> None:
    names = re.findall(r"def test_door4_(\d\d)_", (ROOT / "tests" / "manager" / "test_door4.py").read_text("utf-8"))
    assert names == [f"{number:02d}" for number in range(1, 21)], "one test a point, named test_door4_01_ to _20_"


def test_locks_name_no_index() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        for line in lock.read_text().splitlines():
            assert "://" not in line, f"{lock.name}: {line}: names, versions and hashes only; use make lock"
            assert not line.startswith(("--index", "--extra-index", "--find-links", "-i ", "-f ")), (
                f"{lock.name}: {line}"
            )


def test_no_committed_file_holds_a_path_of_a_machine() -> None:
    path_of_a_machine = re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/")
    for path in tracked():
        if path.suffix in {".png", ".lock", ".parquet"} or path == Path(__file__):
            continue
        found = path_of_a_machine.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{where(path)} holds {found[0] if found else ''}: paths are relative to the checkout"


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("]\n", 1)[0]
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(r'"([a-z0-9-]+)', block):
        assert name in architecture, f"ARCHITECTURE.md does not say why {name} is needed"

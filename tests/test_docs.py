"""The README is run: every command and every Python block of it, in a folder with the example files."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CLEAN, EXAMPLES, ROOT, packmule

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
COMMANDS = [line for kind, text in BLOCK.findall(README) if kind == "sh" for line in text.splitlines()]
PACKMULE = [line for line in COMMANDS if line.startswith("packmule ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, as if one stood in their folder."""
    place = tmp_path_factory.mktemp("readme") / "examples"
    shutil.copytree(EXAMPLES, place)
    return place


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A sim that stands in for the real provider's address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "packmule", "sim", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=CLEAN,
        cwd=tmp_path_factory.mktemp("sim"),
    )
    assert process.stdout is not None
    yield {"OPENAI_BASE_URL": process.stdout.readline().strip() + "/v1", "OPENAI_API_KEY": "sk-canary-readme"}
    process.terminate()
    process.communicate()


def test_the_readme_shows_commands() -> None:
    assert len(PACKMULE) >= 10
    assert all(line.startswith(("packmule ", "make ")) for line in COMMANDS if line.strip())


@pytest.mark.parametrize("line", PACKMULE)
def test_every_command_of_the_readme_works(folder: Path, provider: dict[str, str], line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    said = packmule(folder, *words, env=provider)
    assert said.code == 0, said.err
    assert "canary" not in said.out + said.err


def test_every_python_block_of_the_readme_works(folder: Path) -> None:
    for kind, text in BLOCK.findall(README):
        if kind == "python":
            subprocess.run([sys.executable, "-c", text], cwd=folder, check=True, env=CLEAN, capture_output=True)


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in COMMANDS:
        if line.startswith("make "):
            assert f"\n{line.split()[1]}:" in makefile

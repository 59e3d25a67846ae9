"""The shell lines of the first brief's command section: every option of theirs, on the main job until its door stands.

`persona generate --from data/ -n N` is `packmule run data/ --limit N` with a prompt here; `persona batch` is
`packmule batch`.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.command import MODEL, packmule

LINES = """
persona generate --from data/ -n 10
persona generate --from data/ -n 10 --progress detailed
persona generate --from data/ -n 10 --progress quiet
persona generate --from data/ -n 50 --checkpoint my-batch.json
persona generate --resume my-batch.json
persona generate --from data/ -n 10 --retry-count 3 --retry-delay 5
persona generate --from data/ -n 10 --budget 5.00
persona generate --from data/ -n 20 --budget 5.00 --stop-on-budget
persona batch list
""".strip().splitlines()
JOB = ("--prompt", "Who speaks here? {text}", *MODEL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data/ of some interviews."""
    folder = tmp_path_factory.mktemp("brief1")
    (folder / "data").mkdir()
    for n in range(12):
        (folder / "data" / f"interview-{n:02}.txt").write_text(
            f"I have tested tools for {n + 1} years, says number {n}."
        )
    return folder


def as_here(line: str) -> list[str]:
    """The same words for the program as it is."""
    words = shlex.split(line)[1:]
    if words[:2] == ["generate", "--from"]:
        assert words[3] == "-n"
        return ["run", words[2], *JOB, "--limit", *words[4:]]
    return ["run", *words[1:]] if words[0] == "generate" else words


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_brief_works(project: Path, line: str) -> None:
    said = packmule(project, *as_here(line))
    assert said.code == 0, said.err


def test_a_batch_is_cancelled_by_its_checkpoint_file(project: Path) -> None:
    words = ("run", "data/", *JOB, "--limit", "9", "--checkpoint", "my-batch.json", "--fresh")
    capped = packmule(project, *words, "--max-cost", "0.0000001")
    assert capped.code == 4, capped.err
    assert packmule(project, "batch", "cancel", "my-batch.json").code == 0
    assert json.loads((project / "my-batch.json").read_text())["progress"]["pending"] == 9
    assert "cancelled" in packmule(project, "batch", "list").out

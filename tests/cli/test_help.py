"""Help: quick, and complete."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import typer.main

import packmule
from packmule.cli.app import app

# Typer itself reads options through pydantic.
HEAVY = (
    "pyreqwest",
    "jsonschema",
    "apsw",
    "asyncio",
    "rich",
    "genai_prices",
    "uvloop",
    "charset_normalizer",
)
PARTS = ("engine", "store", "sim", "providers", "sources", "checks", "compose.desk", "cli.display", "cli.demo.crashing")


def test_help_waits_for_no_heavy_part() -> None:
    names = [*HEAVY, *(f"packmule.{part}" for part in PARTS)]
    code = "import sys; sys.argv = ['packmule', 'run', '--help']\ntry:\n    import packmule.cli as c; c.main()\n"
    code += f"except SystemExit:\n    print([m for m in {names} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
    assert "--max-cost" in said.stdout


@pytest.mark.parametrize("loaded", ["msgspec", "packmule.errors", "typer.main"])
def test_ctrl_c_while_it_still_loads_ends_it_without_a_word(loaded: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "packmule", "list"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.split("|")[-1].strip() == loaded)
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == -signal.SIGINT
    assert said == []


def test_the_package_names_what_it_promises() -> None:
    assert all(hasattr(packmule, name) for name in packmule.__all__)


def test_every_command_and_every_option_says_what_it_does() -> None:
    def walk(command: object, path: str) -> list[str]:
        inside = getattr(command, "commands", {})
        silent = [f"{path} {name}" for name, sub in inside.items() if not sub.help]
        silent += [f"{path} {p.name}" for p in command.params if p.name != "source" and not getattr(p, "help", "")]  # type: ignore[attr-defined]
        return silent + [bad for name, sub in inside.items() for bad in walk(sub, f"{path} {name}")]

    assert walk(typer.main.get_command(app), "packmule") == []

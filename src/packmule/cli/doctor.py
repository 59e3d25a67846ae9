"""`doctor`: what could keep a batch from running, a line each, with what to do. 0 when nothing does, else 6."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packmule.cli import options as o
from packmule.cli.say import tell
from packmule.cli.settled import use_variables
from packmule.compose.setting_files import read_settings
from packmule.compose.settings import Settings
from packmule.config import store_path
from packmule.errors import UsageError

if TYPE_CHECKING:
    from packmule.compose.doctor import Finding

PROBLEM = 6
ROOMY = (60, 10)


def doctor(
    store: o.StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Check settings, keys, endpoints, prices, store, disk and terminal. Nothing is sent to a provider."""
    from packmule.compose.doctor import examine  # noqa: PLC0415 - not for --help

    settings, first = _settings()
    use_variables(settings)
    place = store or (Path(settings.value("store")) if "store" in settings.found else store_path(None, os.environ))
    findings = []
    for finding in (first, *examine(settings, place, os.environ), _terminal()):
        findings.append(finding)
        if not as_json:
            tell(f"{finding.state:8} {finding.check:9} {finding.text}{f'; {finding.todo}' if finding.todo else ''}")
    problems = sum(finding.state == "problem" for finding in findings)
    if as_json:
        from packmule.cli.machine import records  # noqa: PLC0415 - only with --json

        records().write({"v": 1, "problems": problems, "checks": [asdict(finding) for finding in findings]})
    raise typer.Exit(PROBLEM if problems else 0)


def _settings() -> tuple[Settings, Finding]:
    from packmule.compose.doctor import Finding  # noqa: PLC0415 - not for --help

    try:
        settings = read_settings(os.environ)
    except UsageError as error:
        return Settings(), Finding("settings", "problem", error.message, error.hint)
    files = ", ".join(map(str, settings.files)) or "no file; packmule init writes one"
    return settings, Finding("settings", "ok", files)


def _terminal() -> Finding:
    from packmule.compose.doctor import Finding  # noqa: PLC0415 - not for --help

    encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower()
    if not sys.stderr.isatty():
        return Finding("terminal", "ok", f"none, so a run is shown as a log; {encoding}")
    width, height = shutil.get_terminal_size()
    text = f"{width} x {height}, {encoding}"
    if "utf" not in encoding:
        return Finding("terminal", "warning", text, "set LANG to a UTF-8 one for the finer signs")
    if width < ROOMY[0] or height < ROOMY[1]:
        return Finding("terminal", "warning", text, f"the picture needs {ROOMY[0]} x {ROOMY[1]}; make it larger")
    return Finding("terminal", "ok", text)

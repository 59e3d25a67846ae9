"""The terminal face. Imports are lazy, so that `packmule --help` is quick."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry of the `packmule` command."""
    from packmule.cli.guard import guarded  # noqa: PLC0415 - lazy on purpose

    sys.exit(guarded())

"""The terminal face. Imports are lazy, so that `packmule --help` is quick."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry of the `packmule` command."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # Until the commands are loaded nothing has begun: Ctrl+C ends us without a word.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1:] == ["--version"]:
        # Asked by scripts, often: it waits for no command.
        from packmule import __version__  # noqa: PLC0415 - lazy on purpose
        from packmule.cli.say import tell  # noqa: PLC0415

        tell(f"packmule {__version__}")
        return
    from packmule.cli.guard import guarded  # noqa: PLC0415 - lazy on purpose

    sys.exit(guarded())

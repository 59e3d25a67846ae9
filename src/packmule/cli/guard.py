"""Between the command and the shell: every ending is a sentence and an exit code, never a traceback."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TextIO

from packmule.cli.say import say_error
from packmule.cli.whole import Whole
from packmule.errors import PackmuleError

INTERRUPTED = 130
OUT_OF_SPACE = 75
_records_wanted: list[bool] = []


class Signalled(Exception):
    """A run was ended by a signal and has put everything in order: now the process is to die by it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def guarded() -> int:
    """Run the app; returns the exit code."""
    os.umask(0o077)
    _open_streams()
    try:
        from packmule.cli.app import app  # noqa: PLC0415 - lazy on purpose

        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            # `main` had it so while we were loaded.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(standalone_mode=True, prog_name="packmule")
    except PackmuleError as error:
        say_error(error.message, error.hint)
        if _records_wanted:
            from packmule.cli.machine import write_error  # noqa: PLC0415 - only with --json

            write_error(error)
        return error.exit_code
    except Signalled as end:
        die_by(end.number)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if code == INTERRUPTED:
            # Outside a run: a run takes signals over, and dies by them.
            say_error("interrupted; nothing was on its way", "")
        return code
    except KeyboardInterrupt:
        say_error("interrupted; nothing was on its way", "")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _bug(error)
        say_error("no space is left where standard output or a file goes; what was recorded is safe", "make room")
        return OUT_OF_SPACE
    except BaseException as error:  # noqa: BLE001 - the last resort
        return _bug(error)
    return 0


def take_stdout() -> None:
    """From now on standard output is for records only, refusals included."""
    from packmule.cli.machine import records  # noqa: PLC0415 - only with --json

    records()
    _records_wanted.append(True)


def _open_streams() -> None:
    """A stream that was closed before we began is nothing to read and nowhere to write, not an error."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for the process's life
    sys.stdout = _whole(sys.stdout) if sys.stdout else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    # Without a buffer, as nothing that failed is to be tried again at the end.
    sys.stderr = _whole(sys.stderr, raw=True) if sys.stderr else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _whole(stream: TextIO, *, raw: bool = False) -> TextIO:
    """The same stream, but what it takes only a part of arrives, and a name it cannot write is shown in escapes."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    raw = raw or stream.write_through
    file = Whole(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        file if raw else io.BufferedWriter(file),
        stream.encoding,
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=raw,
    )


def die_by(number: int) -> None:
    """End as a shell expects after a signal: die by it, so that loops around us stop too."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _bug(error: BaseException) -> int:
    """Our own mistake: the details go to a file, without anything secret, and the screen gets one sentence."""
    leaf: BaseException = error
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    if isinstance(leaf, PackmuleError):
        say_error(leaf.message, leaf.hint)
        return leaf.exit_code
    text = "".join(traceback.format_exception(error))
    for name, value in os.environ.items():
        if value and len(value) >= 8 and any(word in name for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):  # noqa: PLR2004
            text = text.replace(value, "***")
    fd, path = tempfile.mkstemp(prefix="packmule-", suffix=".log")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    say_error(
        f"a mistake of packmule's own ({type(leaf).__name__}); what was recorded is safe",
        f"the same command goes on; please report {Path(path)}",
    )
    return 1

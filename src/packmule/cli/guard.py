"""Between the command and the shell: every ending is a sentence and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TextIO

import typer

from packmule.cli.say import say_anyhow, say_error
from packmule.cli.whole import Whole
from packmule.errors import PackmuleError, UsageError

INTERRUPTED = 130
OUT_OF_SPACE = 75
HELP = "Usage: "
"""How the parser's error begins that is no error: the help of a command that was given no words."""


class Signalled(Exception):
    """A run was ended by a signal and has put everything in order: now the process is to die by it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def guarded() -> int:
    """Run the app; returns the exit code."""
    os.umask(0o077)
    _open_streams()
    if _wants_records():
        # Before anything is read, so that a slip in the words or in a settings file is a record too.
        from packmule.cli.machine import records  # noqa: PLC0415 - only with --json

        records()
    try:
        return _run()
    except PackmuleError as error:
        return _refuse(error)
    except typer.TyperException as error:
        return _refuse_words(error)
    except Signalled as end:
        die_by(end.number)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read our output has left; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _bug(error)
        full = "no space is left where standard output or a file goes; what was recorded is safe"
        return _refuse(_ending(OUT_OF_SPACE, full, "make room"))
    except BaseException as error:  # noqa: BLE001 - the last resort
        return _bug(error)
    return 0


def _run() -> int:
    from packmule.cli.app import app  # noqa: PLC0415 - lazy on purpose

    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        # `main` had it so while we were loaded.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for word in sys.argv[1:]:
        if any("\ud800" <= char <= "\udfff" for char in word):
            message = f"{word!a} holds bytes that are not UTF-8 text"
            raise UsageError(message, hint="type it again, or give the file another name")
    code = app(standalone_mode=False, prog_name="packmule")
    # Outside a run: a run takes signals over, and dies by them.
    return _interrupted() if code == INTERRUPTED else code or 0


def _wants_records() -> bool:
    return "--json" in sys.argv[1:] and "--help" not in sys.argv[1:]


def _refuse(error: PackmuleError) -> int:
    """One sentence for people, one record for programs, and the code for both."""
    say_error(error.message, error.hint)
    if _wants_records():
        from packmule.cli.machine import write_error  # noqa: PLC0415 - only with --json

        with contextlib.suppress(OSError):
            # Standard output may be what is full; the code says it then.
            write_error(error)
    return error.exit_code


def _refuse_words(error: typer.TyperException) -> int:
    """What the parser did not understand, said as every other refusal."""
    said = error.format_message()
    if said.startswith(HELP):
        say_anyhow(said)
        return UsageError.exit_code
    path = getattr(getattr(error, "ctx", None), "command_path", "packmule")
    return _refuse(UsageError(said[0].lower() + said[1:], hint=f"{path} --help shows what there is"))


def _ending(code: int, message: str, hint: str = "") -> PackmuleError:
    error = PackmuleError(message, hint=hint)
    error.exit_code = code
    return error


def _interrupted() -> int:
    return _refuse(_ending(INTERRUPTED, "interrupted; nothing was on its way"))


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
        return _refuse(leaf)
    text = "".join(traceback.format_exception(error))
    for name, value in os.environ.items():
        if value and len(value) >= 8 and any(word in name for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):  # noqa: PLR2004
            text = text.replace(value, "***")
    fd, path = tempfile.mkstemp(prefix="packmule-", suffix=".log")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    said = f"a mistake of packmule's own ({type(leaf).__name__}); what was recorded is safe"
    return _refuse(PackmuleError(said, hint=f"the same command goes on; please report {Path(path)}"))

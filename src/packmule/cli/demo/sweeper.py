"""A process beside the demo that outlives it: whatever ends the demo, no process and no folder of it stays behind.

A pipe tells when: it ends with the demo. What is said through it are the processes that the demo has started.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Never

LOOK_S = 0.05
LOOKS = 100
"""So often is looked whether a process has ended, before it is killed."""


class Sweeper:
    """Removes `folder` at the end. To be made before there are threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        read, self._pipe = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._pipe)
            _sweep(read, folder)
        os.close(read)

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """A process that is not to outlive the demo; after the block it has ended."""
        os.write(self._pipe, f"{pid}\n".encode())
        try:
            yield
        finally:
            os.write(self._pipe, f"-{pid}\n".encode())

    def end(self) -> None:
        """Let it sweep, and wait until it has."""
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def _sweep(pipe: int, folder: Path) -> Never:
    """The other process: nobody's terminal, nobody's output, and no signal that is meant for the demo."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nothing, fd)
    os.chdir(folder.parent)
    pids: set[int] = set()
    with os.fdopen(pipe) as file:
        for line in file:
            pids.symmetric_difference_update({abs(int(line))})
    for number in (signal.SIGTERM, signal.SIGKILL):
        _end(pids, number)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _end(pids: set[int], number: int) -> None:
    """Ask each to end, and wait for it."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)
    for _ in range(LOOKS):
        if not any(map(_lives, pids)):
            return
        sleep(LOOK_S)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True

"""Old or new, never mixed: the atomic writer under errors, kills and limits of the real system."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.errors import OutputError
from packmule.exports import replacing
from tests.nobody import folder_of_nobody


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """The system refuses to let any file grow beyond this: a disk that is full, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_new_bytes_appear_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    for new in (b"one", b"two"):
        before = path.read_bytes() if path.exists() else None
        with replacing(path) as file:
            file.write(new)
            file.flush()
            assert (path.read_bytes() if path.exists() else None) == before
        assert path.read_bytes() == new
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


class StoppedError(Exception):
    """Stands for whatever ends a block early."""


@given(st.lists(st.binary(max_size=400_000), max_size=6), st.integers(0, 6))
def test_a_block_that_ends_early_leaves_the_old_bytes_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], stop_at: int
) -> None:
    folder = tmp_path_factory.mktemp("atomic")
    path = folder / "file"
    path.write_bytes(b"old")
    with suppress(StoppedError), replacing(path) as file:
        for number, piece in enumerate(pieces):
            if number == stop_at:
                raise StoppedError
            file.write(piece)
    ended = stop_at >= len(pieces)
    assert path.read_bytes() == (b"".join(pieces) if ended else b"old")
    assert list(folder.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import os, sys, pathlib\n"
        "from packmule.exports import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'new' * 200_000)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    folder = str(Path(__file__).parents[2] / "src")
    ended = subprocess.run([sys.executable, "-c", code, str(path)], env={"PYTHONPATH": folder}, check=False)
    assert ended.returncode == -9
    assert path.read_bytes() == b"old"
    (left,) = tmp_path.glob(".file.*.tmp")
    os.utime(left, (1, 1))
    with replacing(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [path]


def replace(path: Path, pieces: Iterable[bytes]) -> None:
    with replacing(path) as file:
        for piece in pieces:
            file.write(piece)


@pytest.mark.parametrize("piece", [100, 1_000_000])
def test_a_full_disk_is_a_sentence_and_the_old_bytes_stay(tmp_path: Path, piece: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OutputError) as caught, largest_file(50_000):
        replace(path, [b"x" * piece] * (2_000_000 // piece))
    assert caught.value.message.startswith(f"{path} cannot be written: ")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_a_device_and_a_file_in_the_way_are_said(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    for path, said in [
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "is not a regular file"),
        (tmp_path / "plain" / "file", "cannot be written"),
        (tmp_path / ("n" * 300), "cannot be written"),
    ]:
        with pytest.raises(OutputError, match=said), replacing(path):
            pass


def test_a_read_only_folder_is_said() -> None:
    with folder_of_nobody() as folder:
        folder.chmod(0o500)
        with pytest.raises(OutputError) as caught, replacing(folder / "file") as file:
            file.write(b"never")
        folder.chmod(0o700)
    assert "Permission denied" in caught.value.message
    assert "-o" in caught.value.hint


def test_a_folder_that_even_root_may_not_write_is_said() -> None:
    with (
        pytest.raises(OutputError, match="cannot be written"),
        replacing(Path("/proc/packmule/file")) as file,
    ):
        file.write(b"never")


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

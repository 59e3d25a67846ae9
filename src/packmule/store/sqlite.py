"""The SQLite store: one writing connection a process, WAL, synchronous=FULL, every write in one short transaction.

FULL, because NORMAL loses acknowledged commits on power loss. Waiting for another writer goes in half-millisecond
steps: SQLite's own back-off makes two writers wait seconds for each other. Reads are made on a second connection,
never longer than a page.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from packmule.core.group import Group
from packmule.errors import LeaseLost, StoreError, StoreFull
from packmule.store.ballast import Ballast
from packmule.store.blobs import BlobFiles, sync_folder
from packmule.store.packing import PLAIN_MAX, pack
from packmule.store.statements import SQL, schema

VERSION = 2
BUSY_STEP_S = 0.0005
BUSY_MAX_STEPS = 240_000  # two minutes
_CHECKPOINT_PAGES = 4000

Params = tuple[Any, ...] | dict[str, Any]


class Store:
    """An open store. Safe to use from several threads: writes are serialised, reads too."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self.folder = path.parent
        if not create and not path.exists():
            message = f"there is no store at {path}"
            raise StoreError(message, hint="run a batch first, or name the store with --store")
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._writer = _connect(path)
            self._migrate()
            self._reader = _connect(path)
            self._reader.execute("PRAGMA query_only=1")
        except (apsw.Error, OSError) as error:
            raise _unopened(path, error) from None
        sync_folder(self.folder)
        self._inode = path.stat().st_ino
        self.blobs = BlobFiles(self.folder / "blobs")
        self.ballast = Ballast(path.with_suffix(".ballast"))

    def close(self) -> None:
        """Close both connections; the last one out folds the WAL back."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    def read(self, name: str, params: Params = (), *, more: str = "") -> list[tuple[Any, ...]]:
        """All rows of a named statement (`more` is appended SQL from this folder's own modules)."""
        with self._reading:
            try:
                return list(self._reader.execute(SQL[name] + more, params))
            except (apsw.CorruptError, apsw.NotADBError, apsw.IOError) as error:
                raise _unopened(self.path, error) from None

    def one(self, name: str, params: Params = (), *, more: str = "") -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.read(name, params, more=more)
        return rows[0] if rows else None

    def damage(self) -> list[str]:
        """What SQLite's own quick check finds wrong with the file; nothing: it is whole."""
        with self._reading:
            try:
                return [str(line) for (line,) in self._reader.execute("PRAGMA quick_check(5)") if line != "ok"]
            except apsw.Error as error:
                return [str(error)]

    def gone(self) -> bool:
        """Is the file that we write no longer the one at our path: deleted, or replaced?"""
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return True

    def data_version(self) -> int:
        """Changes whenever another connection has committed."""
        with self._reading:
            return int(self._reader.pragma("data_version"))

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """One write transaction. Raises StoreFull when it cannot be made durable; nothing of it is kept then."""
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            except (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.CantOpenError, apsw.ReadOnlyError) as error:
                raise StoreFull(_full_sentence(self.path, error)) from None

    def write(self, name: str, params: Params = ()) -> tuple[Any, ...] | None:
        """One statement in a transaction of its own; its first row, if it returns one."""
        with self.transaction() as connection:
            return connection.execute(SQL[name], params).fetchone()

    def commit(self, batch: int, epoch: int, group: Group) -> int:
        """Make a group durable; returns the batch's new rev. Raises LeaseLost, StoreFull."""
        with self.transaction() as connection:
            return _apply(connection, batch, epoch, group)

    def landed(self, batch: int, group: Group) -> bool:
        """Did this group reach the disk although its commit failed? Judged by the first row that says so."""
        with self.transaction() as connection:
            for rows, begin in ((group.attempts, 1), (group.attempt_ends, 10)):
                if rows:
                    found = connection.execute(SQL["attempt_state"], (batch, *rows[0][begin : begin + 3])).fetchone()
                    return found is not None and (begin == 1 or found[0] != "held")
            if group.item_ends:
                found = connection.execute(SQL["item_state"], (batch, group.item_ends[0][1])).fetchone()
                return found is not None and found[0] != "pending"
        return False

    def reopen(self) -> None:
        """After an I/O error: never go on with the same handle."""
        with self._writing:
            self._writer.close(force=True)
            try:
                self._writer = _connect(self.path)
            except apsw.Error as error:
                raise StoreFull(_full_sentence(self.path, error)) from None

    def _migrate(self) -> None:
        version = int(self._writer.pragma("user_version"))
        if version == VERSION:
            return
        with self.transaction() as connection:
            # Another process may have migrated while we waited.
            for step in range(int(connection.pragma("user_version")) + 1, VERSION + 1):
                for _ in connection.execute(schema(step)):
                    pass
                connection.pragma("user_version", step)


def sqlite_version() -> str:
    """The version of SQLite in use."""
    return apsw.sqlite_lib_version()


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_handler(_wait_a_little)
    # In this order: another process may be making the store right now, both in one transaction.
    used = connection.pragma("schema_version")
    version = int(connection.pragma("user_version"))
    if used and not version:
        message = f"the store {path} is a database of another program"
        raise StoreError(message, hint="name another store with --store")
    if version > VERSION:
        # Looked at before anything is set: even the journal's mode would change the file.
        message = f"the store {path} was written by a newer packmule (version {version}, this one reads {VERSION})"
        raise StoreError(message, hint="upgrade packmule, or name another store with --store")
    if connection.pragma("journal_mode") != "wal":
        connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    connection.pragma("cache_size", -65_536)
    return connection


def _wait_a_little(tries: int) -> bool:
    time.sleep(BUSY_STEP_S)
    return tries < BUSY_MAX_STEPS


def _apply(connection: apsw.Connection, batch: int, epoch: int, group: Group) -> int:
    row = connection.execute(SQL["rev_up"], {"batch": batch, "epoch": epoch, **group.counts}).fetchone()
    if row is None:
        message = "another runner took this batch over; this one writes nothing more"
        raise LeaseLost(message)
    rev, committed, cap = row
    if group.attempts and not group.overrun:
        assert cap is None or committed <= cap, f"the cap {cap} would be overshot: {committed}"
    _many(connection, "add_call", [(*row[:-1], pack(row[-1])) for row in group.calls])
    _many(connection, "add_attempt", group.attempts)
    _many(connection, "begin_item", [(rev, batch, seq) for seq in group.begun])
    _many(connection, "end_attempt", [_packed(row, 7) for row in group.attempt_ends])
    _many(connection, "end_call", group.call_ends)
    _many(connection, "end_item", [(*_packed(row, 1), rev, batch, seq) for row, seq in group.item_ends])
    _rest(connection, group)
    return int(rev)


def _packed(row: tuple[Any, ...], column: int) -> tuple[Any, ...]:
    data = row[column]
    if data is None or len(data) <= PLAIN_MAX:
        return row
    return (*row[:column], pack(data), *row[column + 1 :])


def _rest(connection: apsw.Connection, group: Group) -> None:
    _many(connection, "add_note", group.notes)
    _many(connection, "add_event", group.events)
    _many(connection, "set_bucket", group.buckets)
    if group.live is not None:
        connection.execute(SQL["set_live"], group.live)
    if group.tick is not None:
        connection.execute(SQL["add_tick"], group.tick)
    for name, params in group.statements:
        connection.execute(SQL[name], params)


def _many(connection: apsw.Connection, name: str, rows: list[tuple[Any, ...]]) -> None:
    """Every row must change exactly one row: an update that names a state nobody is in is a bug."""
    if rows:
        before = connection.total_changes()
        connection.executemany(SQL[name], rows)
        changed = connection.total_changes() - before
        assert changed == len(rows), f"{name}: {changed} rows changed where {len(rows)} should have"


def _unopened(path: Path, error: Exception) -> StoreError:
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return StoreError(
            f"the store {path} is damaged or not a packmule store ({error})",
            hint="restore it from a backup, or name another with --store",
        )
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreError(f"the store {path} is locked by another program", hint="try again when it is done")
    detail = error.strerror if isinstance(error, OSError) else str(error)
    return StoreError(f"the store {path} cannot be opened: {detail}", hint="choose a writable place with --store")


def _full_sentence(path: Path, error: apsw.Error) -> str:
    if isinstance(error, apsw.FullError):
        return f"the disk of {path} is full"
    if isinstance(error, apsw.BusyError):
        return f"the store {path} has been locked by another program for two minutes"
    return f"the store {path} cannot be written: {error}"

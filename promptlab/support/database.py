"""The embedded database under the feature store: opening it, keeping it whole, and telling people when it can't be.

SQLite in write-ahead mode: a transaction is there or not there after SIGKILL, many processes read while one writes.
Every use opens its own connection, so nothing is carried across threads or forks. Each holds a lock file that many can
hold at once, and moving a damaged database aside one that nobody else holds: renamed under an open connection, the old
file's connections would write into the new one's log.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from promptlab.support.errors import PromptlabError
from promptlab.support.files import set_aside
from promptlab.support.locks import sharing

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_BUSY_SECONDS = 60.0
_PAGE_BYTES = 32768  # fifteen rows of 512 floats fill a page; SQLite's usual 4096 would leave half of each empty
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_WAITING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Ids are never given twice (AUTOINCREMENT): a reader's id can't come to mean another image after a prune.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, backbone TEXT NOT NULL, name TEXT NOT NULL, transform TEXT NOT NULL,
    view INTEGER NOT NULL, dim INTEGER NOT NULL, used REAL NOT NULL, UNIQUE (backbone, transform, view));
CREATE TABLE IF NOT EXISTS contents (id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS features (id INTEGER PRIMARY KEY, feature BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
"""
T = TypeVar("T")


class CacheError(PromptlabError, RuntimeError):
    """The feature cache can't be used; the message says where it is and what to do."""


class Database:
    """One SQLite file, made when first used.

    Args:
        path: the file; its folder is made when needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def reading(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on one unchanging state of the database."""
        return self._run(work, "BEGIN")

    def writing(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction: all of it is kept, or nothing."""
        return self._run(work, "BEGIN IMMEDIATE")

    def vacuum(self) -> None:
        """Give the space of deleted rows back to the disk; put off, with a log line, while others use the file."""

        def work(connection: sqlite3.Connection) -> None:
            try:
                connection.execute("PRAGMA busy_timeout = 2000")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError as error:
                log.warning("the cache %s is in use; its file shrinks at a later prune (%s)", self.path, error)

        self._run(work, None)

    def _run(self, work: Callable[[sqlite3.Connection], T], begin: str | None) -> T:
        """Run ``work``; a damaged file is moved aside and the work begins again on an empty one, once."""
        try:
            return self._attempt(work, begin)
        except _DamagedFileError as error:
            self._move_aside(error)
        try:
            return self._attempt(work, begin)
        except _DamagedFileError as error:
            raise CacheError(f"the feature cache {self.path} can't be read: {error}. {_ADVICE}") from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T], begin: str | None) -> T:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._used():
                inode = _inode(self.path)  # of this very file: nobody moves it meanwhile
                try:
                    with self._connect() as connection:
                        return _transaction(connection, work, begin)
                except sqlite3.DatabaseError as error:
                    if _code(error) in _DAMAGED:
                        raise _DamagedFileError(str(error), inode) from error
                    raise
        except sqlite3.DatabaseError as error:
            raise CacheError(f"the feature cache {self.path} can't be used: {error}. {_ADVICE}") from error
        except OSError as error:
            raise CacheError(f"the feature cache {self.path} can't be used: {error}. {_ADVICE}") from error

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise CacheError(
                    f"the feature cache {self.path} was written by a newer promptlab (schema {version}, this one "
                    f"knows {SCHEMA_VERSION}). Update promptlab, or set PROMPTLAB_CACHE to another folder."
                )
            if version < SCHEMA_VERSION:
                _create(connection)
            # In write-ahead mode this survives SIGKILL; a power cut may lose the last commits, never the file.
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _used(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Hold the database, together with other users or alone."""
        return sharing(self.path.with_name(f"{self.path.name}.lock"), alone=alone)

    def _move_aside(self, error: _DamagedFileError) -> None:
        with self._used(alone=True):
            if _inode(self.path) != error.inode:
                return  # another process was faster
            aside = set_aside(self.path, error, "the feature cache starts afresh")
            for suffix in ("-wal", "-shm"):
                side = self.path.with_name(self.path.name + suffix)
                if side.exists():
                    side.replace(aside.with_name(aside.name + suffix))


_ADVICE = "Set PROMPTLAB_CACHE to a folder on a local disk that you can write to, with space left."


class _DamagedFileError(Exception):
    def __init__(self, message: str, inode: int | None) -> None:
        super().__init__(message)
        self.inode = inode


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], begin: str | None) -> T:
    """Run ``work`` between ``begin`` and a commit; without ``begin`` in no transaction."""
    if begin is None:
        return work(connection)
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables; several processes may try at once."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:  # SQLite doesn't wait by itself for this change of mode
            if _code(error) not in _WAITING or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, without the extension bits; 0 for errors that SQLite did not raise."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None

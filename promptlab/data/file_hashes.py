"""Hashes of files seen before, in the database that also keeps their features."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from promptlab.support.database import Database
from promptlab.support.paths import cache_dir
from promptlab.support.words import printable

# The table ``files`` of older versions knew neither inode nor time of change: a file that was replaced by another of
# its size, with its time kept, was taken for the old one.
TABLE = "file_states"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode TEXT NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID
"""


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was hashed.

    Args:
        path: absolute.
        size: in bytes.
        mtime_ns: time of modification, which archives and copying tools set to what they like.
        ctime_ns: time of the last change of anything about it, which nobody can set.
        inode: which file of its disk it is.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     before = FileState.of(file.name, os.stat(file.name))
        ...     os.utime(file.name, (1, 1))
        ...     before == FileState.of(file.name, os.stat(file.name))
        False
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Self:
        """The state of the file at ``path``."""
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class FileHashes:
    """What is remembered of files, shared by every process of this machine."""

    def __init__(self) -> None:
        self.database = Database(cache_dir() / "features.sqlite")

    def remembered(self, files: Sequence[FileState]) -> list[str | None]:
        """Hashes of files seen before and not touched since; None for the others."""
        paths = json.dumps([printable(file.path) for file in files])
        query = f"SELECT f.* FROM json_each(?) j CROSS JOIN {TABLE} f ON f.path = j.value"

        def read(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone()
            return connection.execute(query, (paths,)).fetchall() if there else []

        found = {row[:-1]: row[-1] for row in self.database.reading(read)}
        return [found.get(_row(file)) for file in files]

    def remember(self, files: Sequence[FileState], hashes: Sequence[str]) -> None:
        """Keep the hashes of these files."""
        rows = [(*_row(file), digest) for file, digest in zip(files, hashes, strict=True)]

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_SCHEMA)
            connection.executemany(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?)", rows)

        self.database.writing(write)


def _row(file: FileState) -> tuple[object, ...]:
    return (printable(file.path), file.size, file.mtime_ns, file.ctime_ns, str(file.inode))  # inodes may need 64 bits

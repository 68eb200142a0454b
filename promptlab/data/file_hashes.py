"""Hashes of files seen before, in the database that also keeps their features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab.support.database import Database
from promptlab.support.paths import cache_dir
from promptlab.support.words import printable


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was hashed: absolute path, bytes, modification time in ns."""

    path: str
    size: int
    mtime_ns: int


class FileHashes:
    """What is remembered of files, shared by every process of this machine.

    Args:
        path: the database file; ``cache_dir()/features.sqlite`` if None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.database = Database(Path(path) if path is not None else cache_dir() / "features.sqlite")

    def remembered(self, files: Sequence[FileState]) -> list[str | None]:
        """Hashes of files seen before and unchanged since, by size and modification time; None for the others."""
        query = "SELECT f.path, f.size, f.mtime_ns, f.hash FROM json_each(?) j CROSS JOIN files f ON f.path = j.value"
        paths = json.dumps([printable(file.path) for file in files])
        known = self.database.reading(lambda connection: connection.execute(query, (paths,)).fetchall())
        found = {(path, size, mtime_ns): digest for path, size, mtime_ns, digest in known}
        return [found.get((printable(file.path), file.size, file.mtime_ns)) for file in files]

    def remember(self, files: Sequence[FileState], hashes: Sequence[str]) -> None:
        """Keep the hashes of these files."""
        seen = zip(files, hashes, strict=True)
        rows = [(printable(file.path), file.size, file.mtime_ns, digest) for file, digest in seen]
        insert = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"
        self.database.writing(lambda connection: connection.executemany(insert, rows))

"""The lengths that features had before they were L2-normalised, each beside its row: raw = row * norm.

They lie in a table of their own, made when the first is written, so that databases of earlier versions are read as they
are, and earlier versions read those of this one.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable

import numpy as np

from promptlab.support.arrays import FloatArray, IntArray

_TABLE = "norms"
_SCHEMA = f"CREATE TABLE IF NOT EXISTS {_TABLE} (id INTEGER PRIMARY KEY, norm REAL NOT NULL, checksum INTEGER NOT NULL)"


def read_norms(connection: sqlite3.Connection, keys: IntArray) -> FloatArray:
    """Lengths of rows.

    Args:
        connection: of the feature database.
        keys: (N,) keys of rows, ascending.

    Returns:
        (N,) float32; NaN where it isn't known, or damaged.
    """
    norms = np.full(len(keys), np.nan, dtype=np.float32)
    if not len(keys) or not _is_there(connection):
        return norms
    query = f"SELECT n.id, n.norm, n.checksum FROM json_each(?) j CROSS JOIN {_TABLE} n ON n.id = j.value"
    for key, norm, checksum in connection.execute(query, (json.dumps(keys.tolist()),)):
        if _is_whole(key, norm, checksum):
            norms[np.searchsorted(keys, key)] = norm
    return norms


def damaged_norms(connection: sqlite3.Connection) -> set[int]:
    """Keys of the rows whose length is damaged."""
    if not _is_there(connection):
        return set()
    rows = connection.execute(f"SELECT id, norm, checksum FROM {_TABLE}")
    return {int(key) for key, norm, checksum in rows if not _is_whole(key, norm, checksum)}


def write_norms(connection: sqlite3.Connection, norms: Iterable[tuple[int, float]]) -> None:
    """Add or replace lengths: key of the row, and its norm."""
    connection.execute(_SCHEMA)
    rows = [(key, norm, _checksum(key, norm)) for key, norm in norms]
    connection.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?)", rows)


def forget_norms(connection: sqlite3.Connection, keys: tuple[int, int] | None = None) -> None:
    """Drop the lengths of all rows between two keys, or of all rows."""
    if keys is None:
        connection.execute(f"DROP TABLE IF EXISTS {_TABLE}")
    elif _is_there(connection):
        connection.execute(f"DELETE FROM {_TABLE} WHERE id BETWEEN ? AND ?", keys)


def _is_whole(key: int, norm: object, checksum: object) -> bool:
    return isinstance(norm, float) and checksum == _checksum(key, norm)


def _checksum(key: int, norm: float) -> int:
    return zlib.crc32(struct.pack("<qd", key, norm))


def _is_there(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone())

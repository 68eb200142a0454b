"""Rows of image features by (backbone, transform, view, image content).

A row's key is one integer, collection and content in one, so that a collection lies together in the file and a list
of images is one pass over it. Every row carries a checksum of its feature and of what it is the feature of; a row that
fails it counts as absent.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from promptlab.features.collection import Collection as Collection
from promptlab.features.collection import is_whole, key_range, row_checksum
from promptlab.features.norms import read_norms, write_norms
from promptlab.support.arrays import BoolArray, FloatArray, IntArray
from promptlab.support.database import Database
from promptlab.support.paths import cache_dir

log = logging.getLogger(__name__)

_READ_ROWS = 16384
_USED_SECONDS = 3600.0


class FeatureStore:
    """Features on disk, shared by every process of this machine.

    Args:
        path: the database file; ``cache_dir()/features.sqlite`` if None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path(path) if path is not None else cache_dir() / "features.sqlite"
        self.database = Database(self.path)

    def read(self, collection: Collection, contents: Sequence[str]) -> tuple[FloatArray, BoolArray]:
        """Gather the features of distinct images.

        Args:
            collection: whose features.
            contents: (N,) content ids, all different.

        Returns:
            (N, D) features and (N,) whether each is there and whole; the others' rows hold zeros.
        """
        features, present = self.read_all((collection,), contents)
        return features[:, 0], present[:, 0]

    def read_all(self, collections: Sequence[Collection], contents: Sequence[str]) -> tuple[FloatArray, BoolArray]:
        """Gather the features of distinct images from several collections of one width, on one state of the database.

        Args:
            collections: V collections.
            contents: (N,) content ids, all different.

        Returns:
            (N, V, D) features and (N, V) whether each is there and whole; the others' rows hold zeros.
        """
        features = np.zeros((len(contents), len(collections), collections[0].dim), dtype=np.float32)
        present = np.zeros((len(contents), len(collections)), dtype=np.bool_)

        def gather(connection: sqlite3.Connection) -> None:
            found = [_find(connection, collection) for collection in collections]
            if len(contents) and any(row is not None for row in found):
                known = _look_up(connection, contents)
                for view, (collection, row) in enumerate(zip(collections, found, strict=True)):
                    if row is not None:
                        target = _Target(collection, contents, features[:, view], present[:, view])
                        _gather(connection, row[0], known, target)

        self.database.reading(gather)
        return features, present

    def read_norms(self, collections: Sequence[Collection], contents: Sequence[str]) -> FloatArray:
        """Gather the lengths that features of distinct images had before they were L2-normalised.

        Args:
            collections: V collections.
            contents: (N,) content ids, all different.

        Returns:
            (N, V) float32, NaN where the length isn't known, as of rows that earlier versions wrote.
        """
        norms = np.full((len(contents), len(collections)), np.nan, dtype=np.float32)

        def gather(connection: sqlite3.Connection) -> None:
            known = _look_up(connection, contents)  # (U, 2)
            for view, row in enumerate(_find(connection, collection) for collection in collections):
                if row is not None:
                    norms[known[:, 0], view] = read_norms(connection, key_range(row[0])[0] + known[:, 1])

        if contents:
            self.database.reading(gather)
        return norms

    def write(self, collection: Collection, rows: Iterable[tuple[str, FloatArray]]) -> None:
        """Add or replace features in one transaction.

        Args:
            collection: whose features.
            rows: content id and (D,) float32 feature of each image.
        """
        self.write_all({collection: rows})

    def write_all(
        self,
        rows: Mapping[Collection, Iterable[tuple[str, FloatArray]]],
        norms: Mapping[Collection, Sequence[tuple[str, float]]] = MappingProxyType({}),
    ) -> None:
        """Add or replace features of several collections in one transaction.

        Args:
            rows: for each collection content id and (D,) float32 feature of each image.
            norms: for each collection content id and length, of these rows or of rows that are there.
        """
        packed = {
            collection: [(content, row.astype(collection.dtype, copy=False).tobytes()) for content, row in own]
            for collection, own in rows.items()
        }

        def insert(connection: sqlite3.Connection) -> None:
            for collection, own in packed.items():
                if own:
                    _insert(connection, collection, own)
            for collection, lengths in norms.items():
                _insert_norms(connection, collection, lengths)

        if any(packed.values()) or any(norms.values()):
            self.database.writing(insert)

    def touch(self, collections: Sequence[Collection]) -> None:
        """Note that these were used now, for ``promptlab cache prune``; to the hour, to spare the disk."""
        now = time.time()

        def stale(connection: sqlite3.Connection) -> list[int]:
            found = (_find(connection, collection) for collection in collections)
            return [row[0] for row in found if row is not None and row[1] < now - _USED_SECONDS]

        ids = self.database.reading(stale)
        if ids:
            mark = "UPDATE collections SET used = ? WHERE id = ?"
            self.database.writing(lambda connection: connection.executemany(mark, [(now, i) for i in ids]))


def _find(connection: sqlite3.Connection, collection: Collection) -> tuple[int, float] | None:
    """Id and time of last use of a collection, or None."""
    query = "SELECT id, used FROM collections WHERE backbone = ? AND transform = ? AND view = ?"
    row = connection.execute(query, (collection.backbone, collection.transform, collection.view)).fetchone()
    return None if row is None else (int(row[0]), float(row[1]))


def _look_up(connection: sqlite3.Connection, contents: Sequence[str]) -> IntArray:
    """Position among ``contents`` and id of each that is known, (U, 2), in the order of the file."""
    query = "SELECT j.key, c.id FROM json_each(?) j CROSS JOIN contents c ON c.hash = j.value"
    found = connection.execute(query, (json.dumps(list(contents)),)).fetchall()
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[np.argsort(pairs[:, 1])]


@dataclass(frozen=True)
class _Target:
    """Where the rows of a collection go: (N, D) features and (N,) whether each is there, in the order of contents."""

    collection: Collection
    contents: Sequence[str]
    features: FloatArray
    present: BoolArray


def _gather(connection: sqlite3.Connection, collection_id: int, pairs: IntArray, target: _Target) -> None:
    """Copy the rows of known images, :func:`_look_up`'s answer, to their positions."""
    first_key, _ = key_range(collection_id)
    for start in range(0, len(pairs), _READ_ROWS):
        chunk = pairs[start : start + _READ_ROWS]
        _read_rows(connection, first_key + chunk[:, 1], chunk[:, 0], target)


def _read_rows(connection: sqlite3.Connection, keys: IntArray, positions: IntArray, target: _Target) -> None:
    """Copy the rows of sorted ``keys`` to their ``positions``."""
    query = "SELECT f.id, f.feature, f.checksum FROM json_each(?) j CROSS JOIN features f ON f.id = j.value"
    rows = connection.execute(query, (json.dumps(keys.tolist()),)).fetchall()
    found = positions[np.searchsorted(keys, np.fromiter((row[0] for row in rows), np.int64, len(rows)))].tolist()
    collection, contents = target.collection, target.contents
    whole = [
        (place, row[1])
        for place, row in zip(found, rows, strict=True)
        if is_whole(collection, contents[place], row[1], row[2])
    ]
    if len(whole) < len(rows):
        log.warning("%d damaged rows in the feature cache; they are encoded again", len(rows) - len(whole))
    if not whole:
        return
    places = [place for place, _ in whole]
    joined = b"".join([feature for _, feature in whole])
    target.features[places] = np.frombuffer(joined, dtype=collection.dtype).reshape(len(whole), -1)
    target.present[places] = True


def _insert(connection: sqlite3.Connection, collection: Collection, rows: list[tuple[str, bytes]]) -> None:
    """Ids are looked up inside the transaction: a prune may have removed what an earlier read saw."""
    found = _find(connection, collection)
    if found is None:
        values = (collection.backbone, collection.name, collection.transform, collection.view, collection.dim)
        insert = "INSERT INTO collections (backbone, name, transform, view, dim, used) VALUES (?, ?, ?, ?, ?, ?)"
        collection_id = connection.execute(insert, (*values, time.time())).lastrowid
        assert collection_id is not None
    else:
        collection_id = found[0]
    connection.executemany("INSERT OR IGNORE INTO contents (hash) VALUES (?)", [(content,) for content, _ in rows])
    first_key, _ = key_range(collection_id)
    connection.executemany(
        "INSERT OR REPLACE INTO features VALUES (? + (SELECT id FROM contents WHERE hash = ?), ?, ?)",
        [(first_key, content, feature, row_checksum(collection, content, feature)) for content, feature in rows],
    )


def _insert_norms(connection: sqlite3.Connection, collection: Collection, norms: Sequence[tuple[str, float]]) -> None:
    """Of rows that a prune took meanwhile nothing is kept."""
    found = _find(connection, collection)
    if found is None or not norms:
        return
    length_of = dict(norms)
    names = list(length_of)
    first_key, _ = key_range(found[0])
    pairs = _look_up(connection, names).tolist()
    write_norms(connection, [(first_key + number, length_of[names[place]]) for place, number in pairs])

"""Whose images the bank's features are of: what ``promptlab cache list`` shows.

A feature belongs to an image's content, not to a dataset: two datasets of the same images share it. So the bank notes
which contents a dataset holds, in the same database, and sizes are counted when they are asked for.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.features.collection import CONTENT_MASK, key_range
from promptlab.features.store import FeatureStore
from promptlab.support.words import printable

_NOTED_SECONDS = 3600.0
_TABLES = ("dataset_contents", "dataset_lists")
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS dataset_contents (content INTEGER NOT NULL, dataset TEXT NOT NULL, "
    "PRIMARY KEY (content, dataset)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS dataset_lists (dataset TEXT NOT NULL, list TEXT NOT NULL, used REAL NOT NULL, "
    "PRIMARY KEY (dataset, list)) WITHOUT ROWID",
)


@dataclass(frozen=True)
class DatasetFeatures:
    """What the bank keeps of a dataset's images under one backbone and transform.

    Args:
        dataset: its name; None for images that no run named the dataset of.
        name: the backbone's name.
        backbone: the backbone's fingerprint.
        transform: id of the transform.
        views: how many views of an image there are at most.
        images: how many of its images have features.
        bytes: size of those, without the database's overhead; the same image may count for several datasets.
        last_used: seconds since 1970, to the hour.
    """

    dataset: str | None
    name: str
    backbone: str
    transform: str
    views: int
    images: int
    bytes: int
    last_used: float


@dataclass(frozen=True)
class Listing:
    """What the bank keeps.

    Args:
        rows: by dataset, backbone and transform; the largest first.
        bytes: of all features, each counted once.
        shared_bytes: of those that are counted for more than one dataset.
    """

    rows: tuple[DatasetFeatures, ...]
    bytes: int
    shared_bytes: int


def note_dataset(store: FeatureStore, dataset: str, contents: Sequence[str]) -> None:
    """Note that these images are a dataset's; for a list that was noted within the hour nothing is written.

    Args:
        store: where features are.
        dataset: its name.
        contents: content ids of images, in any order.
    """
    name, distinct, now = printable(dataset), sorted(set(contents)), time.time()
    digest = hashlib.sha256("\n".join(distinct).encode()).hexdigest()

    def noted(connection: sqlite3.Connection) -> float | None:
        query = "SELECT used FROM dataset_lists WHERE dataset = ? AND list = ?"
        row = connection.execute(query, (name, digest)).fetchone() if _is_there(connection) else None
        return None if row is None else float(row[0])

    used = store.database.reading(noted)
    if used is not None and used > now - _NOTED_SECONDS:
        return

    def write(connection: sqlite3.Connection) -> None:
        for statement in _SCHEMA:
            connection.execute(statement)
        if used is None:
            connection.executemany("INSERT OR IGNORE INTO contents (hash) VALUES (?)", [(c,) for c in distinct])
            insert = "INSERT OR IGNORE INTO dataset_contents SELECT id, ? FROM contents WHERE hash = ?"
            connection.executemany(insert, [(name, content) for content in distinct])
        connection.execute("INSERT OR REPLACE INTO dataset_lists VALUES (?, ?, ?)", (name, digest, now))

    store.database.writing(write)


def forget_datasets(connection: sqlite3.Connection) -> None:
    """Drop the notes, with the contents that they are about."""
    for table in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def list_datasets() -> Listing:
    """What the cache holds by dataset; nothing if there is no cache."""
    store = FeatureStore()
    return store.database.reading(_list) if store.path.exists() else Listing((), 0, 0)


_PER_DATASET = """
SELECT m.dataset, COUNT(*), TOTAL(LENGTH(f.feature)) FROM features f
LEFT JOIN {members} m ON m.content = f.id & {mask} WHERE f.id BETWEEN ? AND ? GROUP BY m.dataset
"""
_SHARED = """
SELECT TOTAL(LENGTH(f.feature)) FROM features f WHERE f.id BETWEEN ? AND ?
AND (SELECT COUNT(*) FROM {members} m WHERE m.content = f.id & {mask}) > 1
"""
_NOBODY = "(SELECT NULL AS content, NULL AS dataset)"


def _list(connection: sqlite3.Connection) -> Listing:
    """Views are collections of their own; here they are put together."""
    known = _is_there(connection)
    filled = {"members": _TABLES[0] if known else _NOBODY, "mask": CONTENT_MASK}
    dates = dict(connection.execute("SELECT dataset, MAX(used) FROM dataset_lists GROUP BY dataset")) if known else {}
    parts = defaultdict[tuple[str | None, str, str, str], list[tuple[int, int, float]]](list)
    total = shared = 0
    for number, name, backbone, transform, used in connection.execute(
        "SELECT id, name, backbone, transform, used FROM collections"
    ).fetchall():
        keys = key_range(number)
        size = "SELECT TOTAL(LENGTH(feature)) FROM features WHERE id BETWEEN ? AND ?"
        total += int(connection.execute(size, keys).fetchone()[0])
        shared += int(connection.execute(_SHARED.format(**filled), keys).fetchone()[0])
        for dataset, images, own in connection.execute(_PER_DATASET.format(**filled), keys):
            parts[dataset, name, backbone, transform].append((images, int(own), dates.get(dataset, used)))
    rows = (
        DatasetFeatures(
            *key,
            views=len(views),
            images=max(images for images, _, _ in views),
            bytes=sum(own for _, own, _ in views),
            last_used=max(used for _, _, used in views),
        )
        for key, views in parts.items()
    )
    return Listing(tuple(sorted(rows, key=lambda row: (-row.bytes, row.dataset or ""))), total, shared)


def _is_there(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLES[1],)).fetchone())

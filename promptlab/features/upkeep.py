"""What ``promptlab cache list``, ``prune`` and ``clear`` do; printing is the command line's."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from promptlab.data.file_hashes import TABLE as REMEMBERED_FILES
from promptlab.features.collection import Collection, is_whole, key_range
from promptlab.features.datasets import forget_datasets
from promptlab.features.norms import damaged_norms, forget_norms
from promptlab.features.store import FeatureStore

_DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class CollectionInfo:
    """Features that share a backbone, a transform and a view.

    Args:
        id: the collection's id in the database.
        name: the backbone's name.
        backbone: the backbone's fingerprint.
        transform: id of the transform.
        view: number of the view.
        count: how many images it has.
        bytes: size of its features, without the database's overhead.
        last_used: seconds since 1970, to the hour.
    """

    id: int
    name: str
    backbone: str
    transform: str
    view: int
    count: int
    bytes: int
    last_used: float


def list_collections() -> list[CollectionInfo]:
    """What the cache holds, last used first; nothing if there is no cache."""
    store = FeatureStore()
    return store.database.reading(_list) if store.path.exists() else []


def prune(*, older_than_days: float | None = None, keep_bytes: int | None = None) -> list[CollectionInfo]:
    """Delete features that were not used for long, or the least recently used ones down to a size.

    Safe while others use the cache: a run that loses features encodes them again.

    Args:
        older_than_days: delete what was last used longer ago than this.
        keep_bytes: then delete the least recently used until the rest takes no more than this.

    Returns:
        The collections that were deleted.

    Raises:
        ValueError: if neither limit is given, or one is negative.
    """
    limits = [limit for limit in (older_than_days, keep_bytes) if limit is not None]
    if not limits or min(limits) < 0:
        raise ValueError("give older_than_days or keep_bytes, 0 or more")

    def choose(infos: Sequence[CollectionInfo]) -> list[CollectionInfo]:
        oldest = time.time() - _DAY_SECONDS * older_than_days if older_than_days is not None else float("-inf")
        doomed, kept = [], 0
        for info in infos:  # last used first
            kept += info.bytes
            if info.last_used < oldest or (keep_bytes is not None and kept > keep_bytes):
                kept -= info.bytes
                doomed.append(info)
        return doomed

    return _delete(FeatureStore(), choose, forget_files=False)


def clear() -> list[CollectionInfo]:
    """Delete everything: features, and the remembered hashes of files.

    Returns:
        The collections that were deleted.
    """
    return _delete(FeatureStore(), list, forget_files=True)


def damaged_rows(path: Path) -> tuple[int, int]:
    """Check every row of a cache, changing nothing; others may use it meanwhile.

    Args:
        path: the database file.

    Returns:
        How many rows there are, and of how many the feature or its length is damaged; those are encoded again when they
        are needed.

    Raises:
        sqlite3.DatabaseError: if the file itself is damaged, or no database.
    """
    query = (
        "SELECT f.id, c.backbone, c.name, c.transform, c.view, c.dim, n.hash, f.feature, f.checksum FROM features f "
        "JOIN collections c ON c.id = f.id >> 40 LEFT JOIN contents n ON n.id = f.id & 0xffffffffff"
    )
    count = 0
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=60)) as connection:
        [(answer,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        if connection.execute("PRAGMA user_version").fetchone() == (0,):  # whoever made it had no room for its tables
            return 0, 0
        damaged = damaged_norms(connection)
        for key, *collection, content, feature, checksum in connection.execute(query):
            count += 1
            if not is_whole(Collection(*collection), str(content), feature, checksum):
                damaged.add(key)
    return count, len(damaged)


def _list(connection: sqlite3.Connection) -> list[CollectionInfo]:
    columns = "id, name, backbone, transform, view, used"
    rows = connection.execute(f"SELECT {columns} FROM collections ORDER BY used DESC, id DESC").fetchall()
    infos = []
    for collection_id, name, backbone, transform, view, used in rows:
        sums = "SELECT COUNT(*), TOTAL(LENGTH(feature)) FROM features WHERE id BETWEEN ? AND ?"
        count, size = connection.execute(sums, key_range(collection_id)).fetchone()
        infos.append(CollectionInfo(collection_id, name, backbone, transform, view, count, int(size), used))
    return infos


def _delete(
    store: FeatureStore, choose: Callable[[Sequence[CollectionInfo]], list[CollectionInfo]], *, forget_files: bool
) -> list[CollectionInfo]:
    if not store.path.exists():
        return []

    def work(connection: sqlite3.Connection) -> list[CollectionInfo]:
        doomed = choose(_list(connection))
        for info in doomed:
            connection.execute("DELETE FROM features WHERE id BETWEEN ? AND ?", key_range(info.id))
            forget_norms(connection, key_range(info.id))
            connection.execute("DELETE FROM collections WHERE id = ?", (info.id,))
        if forget_files:
            connection.execute("DELETE FROM files")
            connection.execute(f"DROP TABLE IF EXISTS {REMEMBERED_FILES}")
            connection.execute("DELETE FROM contents")
            forget_datasets(connection)
            forget_norms(connection)
        return doomed

    doomed = store.database.writing(work)
    if doomed or forget_files:
        store.database.vacuum()
    return doomed

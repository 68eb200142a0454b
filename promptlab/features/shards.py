"""Folders of shards that every machine reads: what is in them isn't encoded again.

A backbone's features under one transform lie in ``FOLDER/BACKBONE/TRANSFORM/``. Opening such a folder is listing it:
shards hold ranges of content ids, which their names tell, so only those are opened that may hold what is wanted, and
new ones are seen at once. Files are never changed. What is damaged is named and passed over, and encoded anew.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.features.collection import Collection
from promptlab.features.shard_files import PREFIX, Shard, ShardName, keys_of
from promptlab.support.arrays import BoolArray, FloatArray, IntArray
from promptlab.support.checksums import DamageError
from promptlab.support.errors import UsageError
from promptlab.support.file_systems import shared_kind
from promptlab.support.files import write_text_atomic
from promptlab.support.paths import cache_dir
from promptlab.support.words import counted

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "PROMPTLAB_SHARDS"
MARKER = "promptlab-shards.json"
"""Lies in a folder of shards: who doesn't see it sees another folder."""


def shards_dir() -> Path:
    """The folder of shards: ``PROMPTLAB_SHARDS``, or ``shards`` in the cache folder; it need not exist."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else cache_dir() / "shards"


def require_shared(nodes: int) -> None:
    """Refuse to write shards from several machines into a folder that nobody said all of them see.

    Args:
        nodes: how many machines write.

    Raises:
        UsageError: with what to set.
    """
    if nodes > 1 and not os.environ.get(FOLDER_VARIABLE):
        raise UsageError(
            f"{nodes} machines write shards: set {FOLDER_VARIABLE} to a folder that all of them see, here and where "
            "runs read them"
        )


@cache
def warn_of_shared_disk(folder: Path) -> None:
    """Say once if the database's folder is on a file system that machines share: SQLite can't be trusted there."""
    kind = shared_kind(folder)
    if kind is not None:
        log.warning(
            "the feature cache %s is on a network file system (%s), where several machines may damage its database: "
            "set PROMPTLAB_CACHE to a folder on a local disk. What many machines share belongs into shards: see "
            "promptlab encode --help",
            folder,
            kind,
        )


def mark(root: Path) -> None:
    """Make a folder of shards, with what tells that it is the same one on another machine."""
    if not (root / MARKER).exists():
        write_text_atomic(root / MARKER, json.dumps({"about": "image features of promptlab, kept in shards"}) + "\n")


def folder_of(root: Path, collection: Collection) -> Path:
    """Where the shards of a collection's backbone and transform lie.

    Args:
        root: the folder of all shards.
        collection: one of them, of whatever view.
    """
    return root / collection.backbone / collection.transform


@dataclass(frozen=True)
class Found:
    """Rows of one shard that were wanted.

    Args:
        at: their places, (R,) each: among the contents, and among the collections.
        features: (R, D), whole.
        norms: (R,) lengths that the features had before they were L2-normalised.
    """

    at: tuple[IntArray, IntArray]
    features: FloatArray
    norms: FloatArray


def find_rows(
    root: Path, collections: Sequence[Collection], contents: Sequence[str], wanted: BoolArray
) -> Iterator[Found]:
    """Look rows up in shards.

    Args:
        root: the folder of all shards; it need not exist.
        collections: V of one backbone and transform, by view.
        contents: (U,) content ids, all different.
        wanted: (U, V), which rows.

    Yields:
        What is there and whole, shard by shard; a row that lies in two shards comes twice.
    """
    folder = folder_of(root, collections[0])
    names = listed(folder) if wanted.any() else {}
    if not names:
        return
    places, views = np.nonzero(wanted)
    keys = keys_of([contents[place] for place in places.tolist()], views)
    order = np.argsort(keys)
    keys, places, views = keys[order], places[order], views[order]
    starts = keys.astype(f"S{PREFIX}")  # cut to what names tell
    firsts = np.array([said.first for said in names.values()], starts.dtype)
    lasts = np.array([said.last for said in names.values()], starts.dtype)
    begins, ends = np.searchsorted(starts, firsts), np.searchsorted(starts, lasts, "right")
    for name, begin, end in zip(names, begins.tolist(), ends.tolist(), strict=True):
        if begin < end:
            found = _rows_of(folder / name, collections, keys[begin:end], (places[begin:end], views[begin:end]))
            if found is not None:
                yield found


def listed(folder: Path) -> dict[str, ShardName]:
    """The shards of a folder by their files' names; none if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            parsed = {entry.name: ShardName.parse(entry.name) for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: said for name, said in parsed.items() if said is not None}


def _rows_of(path: Path, collections: Sequence[Collection], keys: Any, at: tuple[IntArray, IntArray]) -> Found | None:
    """Those of sorted ``keys`` (M,) that a shard holds and that are whole."""
    try:
        shard = Shard(path)
        _require_of(shard, collections[0])
        rows = np.minimum(np.searchsorted(shard.keys, keys), len(shard.keys) - 1)
        hit = np.flatnonzero(shard.keys[rows] == keys)
        features = shard.features(rows[hit])
    except FileNotFoundError:  # cleared between the listing and now
        return None
    except (DamageError, OSError, ValueError) as error:
        _say_once(f"the shard {path} is passed over ({error}): what is needed of it is encoded again; delete it")
        return None
    whole = [
        place
        for place, (row, view, feature) in enumerate(
            zip(rows[hit].tolist(), at[1][hit].tolist(), features, strict=True)
        )
        if shard.is_whole(row, collections[view], feature.tobytes())
    ]
    if len(whole) < len(hit):
        damaged = counted(len(hit) - len(whole), "damaged row")
        _say_once(f"{damaged} in the shard {path}: encoded again where needed")
    if not whole:
        return None
    own = hit[whole]
    return Found((at[0][own], at[1][own]), features[whole], shard.norms[rows[own]])


def _require_of(shard: Shard, collection: Collection) -> None:
    for key in ("backbone", "transform", "dim"):
        if shard.of.get(key) != getattr(collection, key):
            raise DamageError(f"it is of {key} {shard.of.get(key)}, not {getattr(collection, key)}")


@cache
def _say_once(message: str) -> None:
    log.warning("%s", message)

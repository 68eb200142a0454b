"""What ``promptlab cache`` shows and drops of shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptlab.features.shard_files import Shard
from promptlab.features.shards import MARKER, listed, shards_dir
from promptlab.support.checksums import DamageError


@dataclass(frozen=True)
class ShardGroup:
    """Shards of one backbone and transform.

    Args:
        name: the backbone's name; empty if no shard can be read.
        backbone: its fingerprint.
        transform: id of the transform.
        shards: how many files.
        rows: features in them; one that lies in two files counts twice.
        bytes: size of the files.
    """

    name: str
    backbone: str
    transform: str
    shards: int
    rows: int
    bytes: int


def list_shards() -> list[ShardGroup]:
    """What shards there are, by backbone and transform; nothing if there is no folder."""
    groups = []
    for folder in _folders(shards_dir()):
        names = listed(folder)
        size = sum((folder / name).stat().st_size for name in names)
        rows = sum(said.rows for said in names.values())
        groups.append(ShardGroup(_name(folder), folder.parent.name, folder.name, len(names), rows, size))
    return groups


def clear_shards() -> int:
    """Delete all shards, also of machines that read them now: those encode again what they need.

    Returns:
        How many features were in them.
    """
    root, rows = shards_dir(), 0
    for folder in _folders(root):
        for name, said in listed(folder).items():
            (folder / name).unlink(missing_ok=True)
            rows += said.rows
    (root / MARKER).unlink(missing_ok=True)
    return rows


def _folders(root: Path) -> Iterator[Path]:
    """Folders that hold shards."""
    return (folder for folder in sorted(root.glob("*/*")) if listed(folder))


def _name(folder: Path) -> str:
    for name in listed(folder):
        with suppress(DamageError, OSError):
            return str(Shard(folder / name).of.get("name", ""))
    return ""

"""One shard: an immutable file of features that any machine may read, with an index in front of the rows.

It is a safetensors file with the promptlab checksum over all of it. Reading some rows must not read the rest, so the
index has a checksum of its own, and each row one as in the database. Names say which contents a shard spans, so that
nobody opens those that can't hold what is wanted.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors.numpy import save

from promptlab.data.hashing import ID_DIGITS
from promptlab.features.collection import Collection, is_whole, row_checksum
from promptlab.support.arrays import FloatArray, IntArray
from promptlab.support.checksums import DamageError
from promptlab.support.files import write_bytes_atomic
from promptlab.support.tensor_files import METADATA_KEY, check, pack

if TYPE_CHECKING:  # upkeep reads shards without torch
    from promptlab.features.encode import Row

SUFFIX = ".safetensors"
PREFIX = 16
"""Digits of a content id that a name tells."""
_NAME = re.compile(rf"([0-9a-f]{{{PREFIX}}})-([0-9a-f]{{{PREFIX}}})-(\d+)-[0-9a-f]{{{PREFIX}}}\{SUFFIX}")
_VIEW_BYTES = 2
_KEY_BYTES = ID_DIGITS + _VIEW_BYTES
_INDEX = ("keys", "norms", "checksums")


@dataclass(frozen=True)
class ShardName:
    """What a shard's name says: which contents it spans, by their first 16 digits, and how many rows it has."""

    first: str
    last: str
    rows: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The name of a shard's file; None for other files.

        Example:
            >>> ShardName.parse(f"{'0' * 16}-{'f' * 16}-64-{'a' * 16}.safetensors").rows
            64
            >>> ShardName.parse("notes.txt") is None
            True
        """
        found = _NAME.fullmatch(name)
        return None if found is None else cls(found[1], found[2], int(found[3]))


def keys_of(contents: Sequence[str], views: IntArray) -> Any:
    r"""Keys of rows as fixed-width byte strings, which sort as contents and then views do.

    Args:
        contents: (N,) content ids.
        views: (N,) numbers of views.

    Example:
        >>> keys_of(["ab" * 16], np.array([3]))[0][-2:]
        b'\x00\x03'
    """
    keys = np.zeros((len(contents), _KEY_BYTES), dtype=np.uint8)
    keys[:, :ID_DIGITS] = np.array(contents, dtype=f"S{ID_DIGITS}").view(np.uint8).reshape(-1, ID_DIGITS)
    keys[:, ID_DIGITS:] = views.astype(f">u{_VIEW_BYTES}").view(np.uint8).reshape(-1, _VIEW_BYTES)
    return keys.view(f"S{_KEY_BYTES}").ravel()


def write_shard(folder: Path, collections: Sequence[Collection], rows: Sequence[Row]) -> Path:
    """Write rows as a shard of their own: whole under its name, or not there.

    Equal rows get an equal name and equal bytes, so whoever repeats the work of a killed one changes nothing.

    Args:
        folder: of the shards of these collections' backbone and transform; it is made.
        collections: V of one backbone and transform, by view.
        rows: at least one, in any order.

    Returns:
        The file.
    """
    keys = keys_of([row.content for row in rows], np.array([row.view for row in rows]))
    order = np.argsort(keys)
    keys, rows = keys[order], [rows[place] for place in order]
    features = np.stack([row.feature for row in rows]).astype("<f4", copy=False)  # (N, D)
    sums = [row_checksum(collections[r.view], r.content, f.tobytes()) for r, f in zip(rows, features, strict=True)]
    tensors = {
        "keys": keys.view(np.uint8).reshape(len(rows), _KEY_BYTES),
        "norms": np.array([row.norm for row in rows], dtype="<f4"),
        "checksums": np.array(sums, dtype="<i8"),
        "features": features,
    }
    facts = {key: value for key, value in asdict(collections[0]).items() if key != "view"}
    metadata = {"of": facts, "index": zlib.crc32(b"".join(tensors[name].tobytes() for name in _INDEX))}
    digest = hashlib.sha256(keys.tobytes()).hexdigest()[:PREFIX]
    name = f"{rows[0].content[:PREFIX]}-{rows[-1].content[:PREFIX]}-{len(rows)}-{digest}{SUFFIX}"
    write_bytes_atomic(folder / name, pack(save, tensors, metadata))
    return folder / name


class Shard:
    """A shard's index, and its rows as they are asked for; nothing stays open.

    Args:
        path: the file.

    Raises:
        DamageError: if its header or index isn't what was written.
        OSError: if it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length < path.stat().st_size:
                raise DamageError("it is cut off")
            try:
                self._header: dict[str, Any] = json.loads(file.read(length))
                metadata = json.loads(self._header["__metadata__"][METADATA_KEY])
                self.of: dict[str, Any] = metadata["of"]
                self._start = 8 + length
                end = self._start + max(self._header[name]["data_offsets"][1] for name in (*_INDEX, "features"))
                index = [self._part(file, name) for name in _INDEX]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DamageError(f"its header can't be read ({error!r})") from error
        if path.stat().st_size != end or zlib.crc32(b"".join(index)) != metadata["index"]:
            raise DamageError("its index is not what was written")
        self.keys = np.frombuffer(index[0], dtype=f"S{_KEY_BYTES}")
        self.norms = np.frombuffer(index[1], dtype="<f4")
        self._checksums = np.frombuffer(index[2], dtype="<i8").tolist()

    def _part(self, file: Any, name: str) -> bytes:
        first, end = self._header[name]["data_offsets"]
        file.seek(self._start + first)
        data: bytes = file.read(end - first)
        return data

    def features(self, rows: IntArray) -> FloatArray:
        """(R, D) features of these rows, only their pages being read; not checked."""
        entry = self._header["features"]
        offset = self._start + entry["data_offsets"][0]
        mapped = np.memmap(self.path, dtype="<f4", mode="r", offset=offset, shape=tuple(entry["shape"]))
        return np.asarray(mapped[rows])

    def is_whole(self, row: int, collection: Collection, feature: bytes) -> bool:
        """Whether a row's feature is as it was written."""
        return is_whole(collection, self.contents[row], feature, self._checksums[row])

    @cached_property
    def contents(self) -> list[str]:
        """(N,) content ids."""
        keys = self.keys.view(np.uint8).reshape(-1, _KEY_BYTES)[:, :ID_DIGITS]
        return [key.decode() for key in np.ascontiguousarray(keys).view(f"S{ID_DIGITS}").ravel().tolist()]


def check_shard(path: Path) -> None:
    """Read all of a shard.

    Raises:
        DamageError: if it isn't what was written.
        OSError: if it can't be read.
    """
    if not check(path.read_bytes()).sealed:
        raise DamageError("it has no checksum: it was cut or changed after it was written")
    Shard(path)

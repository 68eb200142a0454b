"""What a row of the feature cache is: of which collection, under which key, and whole or not."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

_CONTENT_BITS = 40
CONTENT_MASK = (1 << _CONTENT_BITS) - 1
"""What of a row's key is the content's id."""


@dataclass(frozen=True)
class Collection:
    """What features share: which backbone made them, from which transform, and which view of it.

    Args:
        backbone: fingerprint of the backbone.
        name: the backbone's name, for people.
        transform: id of the transform, with all its parameters.
        view: 0 for the evaluation transform, 0 to K-1 for random views.
        dim: D, numbers per feature; V of features before the projection.
    """

    backbone: str
    name: str
    transform: str
    view: int
    dim: int

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """What a row's numbers are kept in: float32, but for states of the image tower that say fp16."""
        return np.dtype("<f2" if self.transform.partition("@")[0].endswith("_fp16") else "<f4")


def row_checksum(collection: Collection, content: str, feature: bytes) -> int:
    """The checksum of a row: 32 bits, and a 33rd that tells it from those of earlier versions, of the feature alone."""
    of = f"{collection.backbone} {collection.transform} {collection.view} {content}"
    return 1 << 32 | zlib.crc32(feature, zlib.crc32(of.encode()))


def is_whole(collection: Collection, content: str, feature: object, checksum: object) -> bool:
    """Whether a row is as it was written, whatever the types that a damaged file gives."""
    if not isinstance(feature, bytes) or len(feature) != collection.dtype.itemsize * collection.dim:
        return False
    return checksum in (row_checksum(collection, content, feature), zlib.crc32(feature))


def key_range(collection_id: int) -> tuple[int, int]:
    """First and last possible key of a collection's rows."""
    return collection_id << _CONTENT_BITS, ((collection_id + 1) << _CONTENT_BITS) - 1

"""Near-copies: pictures that show the same to the eye and to the backbone, whatever their files are.

A pair is one if the backbone's features all but agree and so do the pictures' difference hashes (Krawetz 2013,
http://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html): resized, recompressed and slightly cropped
copies keep both, two pictures of one kind of thing don't.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from promptlab.data.items import Items
from promptlab.support.arrays import BoolArray, FloatArray, IntArray

SIMILARITY = 0.95
"""The least cosine of two near-copies' features."""
BITS = 8
"""The most of 64 bits in which their hashes differ."""
_ROWS = 1024
_SIDE = 8


@dataclass(frozen=True)
class Copies:
    """Pairs of near-copies.

    Args:
        pairs: (P, 2) positions, the lower first.
        similarities: (P,) cosine of their features.
        bits: (P,) in how many of 64 bits their hashes differ.
    """

    pairs: IntArray
    similarities: FloatArray
    bits: IntArray

    def groups(self, n: int) -> IntArray:
        """(n,) a number for each picture, equal for pictures that near-copies link.

        Args:
            n: how many pictures there are.
        """
        links = coo_matrix((np.ones(len(self.pairs)), (self.pairs[:, 0], self.pairs[:, 1])), shape=(n, n))
        numbers: IntArray = connected_components(links, directed=False)[1].astype(np.int64)
        return numbers


def look_alikes(items: Items, features: FloatArray) -> Copies:
    """The near-copies among pictures.

    Args:
        items: N pictures; those whose features all but agree with another's are opened.
        features: (N, D), L2-normalised.

    Raises:
        DatasetError: if a picture can't be read.
    """
    alike = _alike(features)  # (P, 2)
    opened = np.unique(alike)
    hashes = np.zeros((len(items), _SIDE * _SIDE), dtype=np.bool_)
    for row in opened.tolist():
        hashes[row] = difference_hash(items.source.open(int(items.indices[row])))
    bits = (hashes[alike[:, 0]] != hashes[alike[:, 1]]).sum(axis=1)
    near = bits <= BITS
    pairs = alike[near]
    similarities = (features[pairs[:, 0]] * features[pairs[:, 1]]).sum(axis=1)
    return Copies(pairs, np.minimum(similarities, 1).astype(np.float32), bits[near].astype(np.int64))


def difference_hash(picture: Image.Image) -> BoolArray:
    """64 bits: whether each of 8 x 8 cells is darker than the one to its right.

    Args:
        picture: any.

    Example:
        >>> ramp = Image.linear_gradient("L").rotate(90)
        >>> bool(difference_hash(ramp).all()), bool(difference_hash(ramp.resize((40, 30))).all())
        (True, True)
    """
    small = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
    cells = np.asarray(small, dtype=np.int16)
    return (cells[:, 1:] > cells[:, :-1]).ravel()


def _alike(features: FloatArray) -> IntArray:
    """(P, 2) pairs whose features all but agree, some rows at a time."""
    found: Sequence[IntArray] = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, len(features), _ROWS):
        close = features[start : start + _ROWS] @ features.T >= SIMILARITY
        rows, others = np.nonzero(close)
        pairs = np.stack([rows + start, others], axis=1)
        found = [*found, pairs[pairs[:, 0] < pairs[:, 1]]]
    return np.concatenate(found)

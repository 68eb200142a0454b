"""Near-copies: pictures that show the same to the eye and to the backbone, whatever their files are.

A pair is one if the pictures' difference hashes all but agree (Krawetz 2013,
http://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html) and the backbone's features don't object, as
they do where flat pictures have equal hashes. Resized and recompressed copies keep both. Of 400 pictures of Caltech-101
and 400 of EuroSAT, spread over all, no pair is called a copy; at 8 bits two motorbikes on white are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from promptlab.data.items import Items
from promptlab.support.arrays import BoolArray, FloatArray, IntArray
from promptlab.support.machine import reader_threads

SIMILARITY = 0.8
"""The least cosine of two near-copies' features."""
BITS = 6
"""The most of 64 bits in which their hashes differ."""
_ROWS = 1024
_SIDE = 8
_NONE = np.zeros((0, 2), dtype=np.int64)


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
        items: N pictures, all of which are opened.
        features: (N, D), L2-normalised.

    Raises:
        DatasetError: if a picture can't be read.
    """
    with ThreadPoolExecutor(reader_threads()) as pool:
        found = list(pool.map(lambda index: difference_hash(items.source.open(index)), items.indices.tolist()))
    hashes = np.array(found, dtype=np.bool_).reshape(-1, _SIDE * _SIDE)
    pairs = np.concatenate([_NONE, *(_alike(hashes, features, start) for start in range(0, len(items), _ROWS))])
    one, other = pairs[:, 0], pairs[:, 1]
    similarities = np.minimum((features[one] * features[other]).sum(axis=1), 1)
    return Copies(pairs, similarities.astype(np.float32), (hashes[one] != hashes[other]).sum(axis=1))


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


def _alike(hashes: BoolArray, features: FloatArray, start: int) -> IntArray:
    """(P, 2) near-copies whose first lies in a block of rows."""
    block, signs = slice(start, start + _ROWS), 2 * hashes.astype(np.float32) - 1
    bits = (hashes.shape[1] - signs[block] @ signs.T) / 2
    near = (bits <= BITS) & (features[block] @ features.T >= SIMILARITY)
    rows, others = np.nonzero(near)
    pairs = np.stack([rows + start, others], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]

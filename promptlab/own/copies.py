"""Which pictures are copies of each other, to the byte or to the eye: they are held out together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from promptlab.data.items import Items
from promptlab.support.arrays import FloatArray, IntArray
from promptlab.support.machine import reader_threads

SIDE = 16
"""Pixels of the side of the small pictures that are compared."""
ALIKE = 3.0
"""Root mean square of the differences of their values, of 0 to 255, up to which two are near copies: a photo saved
anew, made smaller, or the next one of a series."""
_AT_ONCE = 1024


def near_copies(items: Items) -> list[tuple[int, int]]:
    """Pairs of pictures (first, second) that look alike: the same picture in another file, size or compression.

    Each is made a square of 16 x 16 pixels, and those are compared. Copies to the byte are among the pairs.

    Args:
        items: N pictures that can be opened.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> near_copies(demo_dataset("demo_textures").train.take([0, 1, 0]))
        [(0, 2)]
    """
    with ThreadPoolExecutor(reader_threads()) as pool:
        small = np.stack(list(pool.map(lambda index: _small(items.source.open(index)), items.indices.tolist())))
    return [pair for start in range(0, len(small), _AT_ONCE) for pair in _alike(small, start)]


def joined(count: int, pairs: Sequence[tuple[int, int]], groups: Sequence[str] = ()) -> IntArray:
    """A number for each picture, the same for those that pairs or equal groups join, also through others.

    Args:
        count: N pictures.
        pairs: positions of pictures that belong together.
        groups: N names of groups, or none.

    Example:
        >>> joined(4, [(0, 2)], ["a", "b", "b", "c"]).tolist()
        [0, 0, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first: dict[str, int] = {}
    same = [(first.setdefault(group, position), position) for position, group in enumerate(groups)]
    edges = np.array([*pairs, *same], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    numbers: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def _small(image: Image.Image) -> FloatArray:
    """(3 * 16 * 16,) values from 0 to 255."""
    with image:
        square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(square, dtype=np.float32).ravel()


def _alike(small: FloatArray, start: int) -> list[tuple[int, int]]:
    """Pairs whose first lies in a block of rows, from the squares' lengths and products."""
    block = small[start : start + _AT_ONCE]
    lengths = (small**2).sum(1)
    squared = lengths[start : start + _AT_ONCE, None] + lengths[start:] - 2 * block @ small[start:].T
    rows, columns = np.nonzero(squared <= ALIKE**2 * small.shape[1] + 1)  # 1: what float32 rounds
    return [(start + i, start + j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if i < j]

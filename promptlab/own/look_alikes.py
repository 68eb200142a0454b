"""Near-copies: pictures that are one picture, whatever their size, compression, light, framing and side.

A pair is one if their sketches agree (:mod:`promptlab.own.sketches`), as a whole or as a part of each other, perhaps
mirrored (:mod:`promptlab.own.crops`), and the backbone's features don't object. All pairs are compared as they
are framed; parts are looked for among the pictures whose features are nearest.

Between aligned pictures of Caltech-101 (faces, minarets, trilobites) sketches reach 0.4 to 0.86, and those of one
studio (motorbikes on black) 0.95, which their colours tell apart; what JPEG, a third of the size, a quarter more light,
a mirror or a crop to half the area leave of a picture is 0.9 and more. Among 1,315 pictures of such classes it finds
that Leopards are there twice, one mirrored, and beside other copies a few things drawn or shot alike, as stop signs, at
20 ms a picture (``experiments/own_pictures/copies.py``). A copy turned by some degrees isn't found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from promptlab.data.items import Items
from promptlab.own.crops import Searched, Sought
from promptlab.own.sketches import SIDE, Sketches, sketches_of, thumbnail
from promptlab.support.arrays import FloatArray, IntArray
from promptlab.support.machine import reader_threads
from promptlab.support.progress import image_progress

SIMILARITY = 0.8
"""The least cosine of two near-copies' features."""
LIKENESS = 0.91
"""The least cosine of two near-copies' sketches."""
TONES = 24.0
"""The most that tones of near-copies differ, of 255."""
_NEAREST = 10
"""Among so many neighbours of a picture its parts are looked for: each takes a millisecond or two."""
_ROWS = 1024
Pair = tuple[int, int]
"""Two positions, the lower first."""


@dataclass(frozen=True)
class Copies:
    """Pairs of near-copies.

    Args:
        pairs: (P, 2) positions, the lower first, in order.
        similarities: (P,) cosine of their features.
        likeness: (P,) cosine of their sketches.
    """

    pairs: IntArray
    similarities: FloatArray
    likeness: FloatArray

    def stars(self, n: int) -> list[tuple[int, int]]:
        """Pictures with their copies, each in one pair at most: the picture, and one that is its copy.

        Whoever has most copies takes them all, then whoever has most is next. So pictures that follow each other, as
        those of a film, aren't one endless chain: what is a copy of a copy alone is none.

        Args:
            n: how many pictures there are.

        Example:
            >>> chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
            >>> Copies(chain, np.ones(4, np.float32), np.ones(4, np.float32)).stars(5)
            [(1, 0), (1, 2), (3, 4)]
        """
        near: list[list[int]] = [[] for _ in range(n)]
        for one, other in self.pairs.tolist():
            near[one].append(other)
            near[other].append(one)
        free, found = set(range(n)), list[tuple[int, int]]()
        for centre in sorted(range(n), key=lambda row: -len(near[row])):
            if centre in free:
                own = sorted(free.intersection(near[centre]))
                free.difference_update(own, [centre])
                found += [(centre, other) for other in own]
        return found


def look_alikes(items: Items, features: FloatArray) -> Copies:
    """The near-copies among pictures.

    Args:
        items: N pictures, all of which are opened.
        features: (N, D), L2-normalised.

    Raises:
        DatasetError: if a picture can't be read.
    """
    with ThreadPoolExecutor(reader_threads()) as pool:
        small = list(pool.map(lambda index: thumbnail(items.source.open(index)), items.indices.tolist()))
        found = _framed_alike(sketches_of(small), features)
        for pair, likeness in _parts_alike(small, _neighbours(features), pool):
            found[pair] = max(likeness, found.get(pair, 0.0))
    pairs: IntArray = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    similarities = np.minimum((features[pairs[:, 0]] * features[pairs[:, 1]]).sum(axis=1), 1)
    values = np.array([found[pair] for pair in sorted(found)], dtype=np.float32)
    return Copies(pairs, similarities.astype(np.float32), np.minimum(values, 1))


def _framed_alike(sketches: Sketches, features: FloatArray) -> dict[Pair, float]:
    """Pairs that are alike as they are framed."""
    details, flat = sketches.details.reshape(-1, SIDE**2), sketches.flat
    pairs: dict[Pair, float] = {}
    for start in range(0, len(features), _ROWS):
        block = slice(start, start + _ROWS)
        alike = details[block] @ details.T + np.logical_and.outer(flat[block], flat)
        rows, others = np.nonzero((alike >= LIKENESS) & (features[block] @ features.T >= SIMILARITY))
        off = np.abs(sketches.tones[rows + start] - sketches.tones[others]).max(axis=(1, 2, 3), initial=0)
        kept = (rows + start < others) & (off <= TONES)
        places = zip((rows + start)[kept].tolist(), others[kept].tolist(), strict=True)
        pairs |= dict(zip(places, alike[rows, others][kept].tolist(), strict=True))
    return pairs


def _neighbours(features: FloatArray) -> list[list[int]]:
    """For each picture those whose features are nearest, and those to which it is one of them."""
    near: list[set[int]] = [set() for _ in features]
    for start in range(0, len(features), _ROWS):
        cosines = features[start : start + _ROWS] @ features.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : _NEAREST + 1]
        for row, others in enumerate(nearest.tolist(), start):
            for other in others:
                if other != row and cosines[row - start, other] >= SIMILARITY:
                    near[row].add(other)
                    near[other].add(row)
    return [sorted(others) for others in near]


def _parts_alike(
    small: Sequence[Image.Image], near: Sequence[Sequence[int]], pool: ThreadPoolExecutor
) -> Iterator[tuple[Pair, float]]:
    """Pairs of neighbours of which one is a part of the other, with a bar."""
    searched = [Searched(one) for one in small]

    def parts_of(row: int) -> list[tuple[Pair, float]]:
        sought = Sought(small[row]) if near[row] else None
        scores = [(other, *sought.best_in(searched[other])) for other in near[row]] if sought else []
        return [
            ((min(row, other), max(row, other)), likeness)
            for other, likeness, off in scores
            if likeness >= LIKENESS and off <= TONES
        ]

    with image_progress("looking for copies", len(small), show=True) as advance:
        for found in pool.map(parts_of, range(len(small))):
            yield from found
            advance(1)

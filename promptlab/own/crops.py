"""Whether a picture is a part of another, perhaps mirrored: crops, flips and slight shifts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptlab.own.sketches import SIDE, Box, details_of, tones_of
from promptlab.support.arrays import DoubleArray, FloatArray

_SQUARE = tuple((side, side) for side in range(SIDE, 19, -2))  # down to 0.39 of the area
_NARROW = tuple(shape for side in (28, 24, 21, 18) for shape in ((SIDE, side), (side, SIDE)))
_EDGE = 3
"""Cells around a picture's middle, which is looked for too: of a shifted picture it is what both show."""
_WORTH, _NEARLY = 0.7, 0.83
"""Cosines from which on a first guess is looked at more closely, and that more closely still."""
_STEPS = (2.0, 1.0, 1.0, 0.5)


class Searched:
    """A picture in which others are looked for.

    Args:
        small: its thumbnail.
    """

    def __init__(self, small: Image.Image) -> None:
        self.small = small

    @cached_property
    def transformed(self) -> npt.NDArray[np.complexfloating]:
        """(SIDE, SIDE // 2 + 1) of its details, as numpy's real transform gives it."""
        return np.fft.rfft2(details_of(self.small))

    @cached_property
    def energy(self) -> DoubleArray:
        """(SIDE + 1, SIDE + 1) sums of squared details above and left of each corner."""
        squares = details_of(self.small).astype(np.float64) ** 2
        return np.pad(squares, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


class Sought:
    """A picture that is looked for in others, in several sizes, as it is and mirrored.

    Args:
        small: its thumbnail.
    """

    def __init__(self, small: Image.Image) -> None:
        as_is = list(_parts(small))
        self._parts = as_is + [(details[:, ::-1], tones[:, ::-1]) for details, tones in as_is]
        self._shapes = [part.shape for part, _ in self._parts]
        padded = np.zeros((len(self._parts), SIDE, SIDE), dtype=np.float32)
        for row, (part, _) in zip(padded, self._parts, strict=True):
            row[: part.shape[0], : part.shape[1]] = part
        self._transformed = np.fft.rfft2(padded).conj()

    def best_in(self, other: Searched) -> tuple[float, float]:
        """How alike the likest part of another picture is.

        Args:
            other: it.

        Returns:
            Cosine of the sketches, at most 1, and the largest difference of tones, from 0 to 255; where no part comes
            near, those of the first guess.
        """
        sums = np.fft.irfft2(self._transformed * other.transformed, s=(SIDE, SIDE))
        scores = [_best(found, shape, other.energy) for found, shape in zip(sums, self._shapes, strict=True)]
        best = max(range(len(scores)), key=lambda place: scores[place][0])
        score, top, left = scores[best]
        height, width = self._shapes[best]
        details, tones = self._parts[best]
        box = (2.0 * left, 2.0 * top, 2.0 * (left + width), 2.0 * (top + height))  # a thumbnail has two pixels a cell
        if score >= _WORTH:
            score, box = _moved(details, other.small, box)
        return score, float(np.abs(tones - tones_of(other.small, box)).max())


def _moved(details: FloatArray, small: Image.Image, box: Box) -> tuple[float, Box]:
    """The place around a first guess where a part is likest: its edges go in and out until nothing is gained."""

    def likeness(box: Box) -> float:
        return float((details * details_of(small, len(details), len(details[0]), box)).sum())

    best = likeness(box)
    for step in _STEPS:
        for edge, way in product(range(4), (-step, step)):
            left, top, right, bottom = (value + way * (place == edge) for place, value in enumerate(box))
            moved = (left, top, right, bottom)
            if min(moved) >= 0 and max(moved) <= 2 * SIDE and (found := likeness(moved)) > best:
                best, box = found, moved
        if best < _NEARLY:
            break
    return best, box


def _parts(small: Image.Image) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Details and tones of a picture in several sizes, and those of its middle."""
    tones = tones_of(small)
    for height, width in (*_SQUARE, *_NARROW):
        yield details_of(small, height, width), tones
    low, high = _EDGE, SIDE - _EDGE
    middle = details_of(small)[low:high, low:high]
    yield middle / max(float(np.linalg.norm(middle)), 1e-3), tones_of(small, (2 * low, 2 * low, 2 * high, 2 * high))


def _best(sums: FloatArray, shape: tuple[int, int], energy: DoubleArray) -> tuple[float, int, int]:
    """The highest cosine of a part with what lies under it, and where."""
    height, width = shape
    under = energy[height:, width:] - energy[:-height, width:] - energy[height:, :-width] + energy[:-height, :-width]
    cosines = sums[: under.shape[0], : under.shape[1]] / np.sqrt(np.maximum(under, 1e-2))
    top, left = divmod(int(cosines.argmax()), cosines.shape[1])
    return float(cosines[top, left]), top, left

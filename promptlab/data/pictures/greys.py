"""Grey values of more than 8 bits, whole numbers or floats, to 8 bits.

Pillow cuts such values off at 255, which leaves white, and floats from 0 to 1 become black. What range the values have,
few files say:

- A TIFF of 12 bits per sample says so, and so does a PGM file by its largest value; floats from 0 to 1 need no more.
- For all other whole numbers the largest value of the picture decides between 8, 12, 16, 24 and 32 bits: cameras and
  scanners of 12 bits leave files of 16 bits whose values end at 4,095. A picture that fills 16 bits is read as that.
- This is a guess where a picture of the full range is dark all over (no value above 4,095 of 65,535, 6 % of white).
  There are few steps, so that the pictures of one camera are read alike, and none between 12 and 16 bits, where dark
  pictures are not rare. Whatever was guessed is said of the dataset, and ``grey_bits`` ends the guessing.

The lower bits are dropped: white becomes 255, and 16 bits keep their upper 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptlab.data.pictures.reading import PictureError

_STEPS = (8, 12, 16, 24, 32)
_ROUNDING = 1e-4
_FULL = 16
_SCALED = ("PPM", "JPEG2000")  # formats that Pillow brings to 16 bits by what the file says
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF


@dataclass(frozen=True)
class Grey:
    """Grey values as 8 bits.

    Args:
        values: (H, W) uint8.
        bits: the range that they were read as having; 0 for floats.
        room: how many bits the file has for each, where the picture's largest value decided on fewer; else 0.
        negative: whether there were values below 0, which are black now.
        inverted: whether the file counts from white.
    """

    values: npt.NDArray[np.uint8]
    bits: int
    room: int = 0
    negative: bool = False
    inverted: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether promptlab always read such a picture this way."""
        return self.bits == _FULL and not self.inverted

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of numbers should know."""
        deep = f"were read as {self.bits}-bit grey by their largest value (set grey_bits={self.room} if they are dark)"
        return tuple(
            remark
            for remark in (deep * bool(self.room), "hold values below 0, read as black" * self.negative)
            if remark
        )


def grey_of_picture(image: Image.Image, grey_bits: int | None = None) -> Grey | None:
    """The grey values of an opened picture; None for one whose values have 8 bits, or 1.

    Args:
        image: as Pillow opened it.
        grey_bits: how many bits the values fill, where a user says so.

    Raises:
        PictureError: for floats outside 0 to 1, values that aren't finite, and those beyond ``grey_bits``.
    """
    whole = image.mode == "I" or image.mode.startswith("I;16")
    if not whole and image.mode != "F":
        return None
    tags: Any = getattr(image, "tag_v2", {})
    inverted = tags.get(_PHOTOMETRIC) == 0
    if not whole:
        return grey_of_floats(np.asarray(image), inverted=inverted)
    values = np.asarray(image)
    unsigned = int(np.max(tags.get(_SAMPLE_FORMAT, 2))) == 1
    if image.mode == "I" and unsigned:
        values = values.view(np.uint32)  # Pillow has read numbers without a sign as numbers with one
    stated = int(np.max(tags[_BITS])) if _BITS in tags else None
    room = stated or (_FULL if image.mode != "I" or image.format in _SCALED else 32)
    exact = stated if stated not in (_FULL, 32) else None
    if image.format in _SCALED:
        exact = _FULL
    room -= room == 32 and not unsigned
    return grey_of_numbers(values, bits=grey_bits or exact, room=room, inverted=inverted)


def grey_of_numbers(
    values: npt.NDArray[np.integer[Any]], *, bits: int | None = None, room: int = _FULL, inverted: bool = False
) -> Grey:
    """Whole numbers as 8 bits.

    Args:
        values: of any shape.
        bits: how many bits they fill; None to go by the largest.
        room: how many bits the file keeps for each, the sign's not counted.
        inverted: whether the largest is black.

    Raises:
        PictureError: for values beyond ``bits``.

    Example:
        >>> grey = grey_of_numbers(np.array([[0, 2048, 4095]]))
        >>> grey.values.tolist(), grey.bits, grey.room
        ([[0, 128, 255]], 12, 16)
    """
    largest = int(values.max(initial=0))
    if bits is not None and largest >> bits:
        raise PictureError(f"it holds values up to {largest:,}, more than {bits} bits have: set grey_bits to more")
    guess = next((step for step in _STEPS if largest < 1 << step), 63)
    chosen = bits or min(guess, room)
    negative = int(values.min(initial=0)) < 0
    positive = values.clip(min=0) if negative else values
    scaled = (positive >> max(chosen - 8, 0)).astype(np.uint8)
    return Grey(
        255 - scaled if inverted else scaled,
        chosen,
        room=room if bits is None and chosen < room else 0,
        negative=negative,
        inverted=inverted,
    )


def grey_of_floats(values: npt.NDArray[np.floating[Any]], *, inverted: bool = False) -> Grey:
    """Floats from 0 to 1 as 8 bits.

    Args:
        values: of any shape.
        inverted: whether 1 is black.

    Raises:
        PictureError: for floats outside 0 to 1, and for those that aren't finite.

    Example:
        >>> grey_of_floats(np.array([[0.0, 0.5, 1.0]])).values.tolist()
        [[0, 128, 255]]
    """
    if not np.isfinite(values).all():
        raise PictureError("it holds floats that are not finite (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise PictureError(
            f"it holds floats from {low:g} to {high:g}, of which nobody knows what is black and what is white: floats "
            f"must lie in 0 to 1. {'Divide them by 255' if low >= 0 and high <= 255 else 'Scale them'}, or save bytes"
        )
    scaled = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return Grey(255 - scaled if inverted else scaled, 0, inverted=inverted)

"""Arrays of pixels as pictures, by the same rules as files."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptlab.data.pictures.greys import grey_of_floats, grey_of_numbers
from promptlab.data.pictures.picture import REMARKS
from promptlab.data.pictures.reading import USUAL, PictureError, Reading

_CHANNELS = (1, 3, 4)


def picture_of_array(
    pixels: npt.NDArray[Any], reading: Reading = USUAL, *, channels_first: bool = False
) -> Image.Image:
    """An array as RGB.

    Args:
        pixels: (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels (the fourth is dropped): bytes, floats from 0 to
            1, or whole numbers of another range, which is found as that of a grey picture's file is.
        reading: see :class:`Reading`.
        channels_first: what a shape means that can be read both ways.

    Raises:
        PictureError: for other shapes and values.

    Example:
        >>> picture_of_array(np.ones((3, 8, 6), dtype=np.float32)).getpixel((0, 0))
        (255, 255, 255)
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    pixels = _channels_last(pixels, channels_first)
    remarks: tuple[str, ...] = ()
    if pixels.dtype != np.uint8:
        if np.issubdtype(pixels.dtype, np.floating):
            grey = grey_of_floats(pixels)
        elif np.issubdtype(pixels.dtype, np.integer):
            room = 8 * pixels.dtype.itemsize - np.issubdtype(pixels.dtype, np.signedinteger)
            grey = grey_of_numbers(pixels, bits=reading.grey_bits, room=room)
        else:
            raise PictureError(f"an array of {pixels.dtype} is no picture: bytes or floats from 0 to 1 are needed")
        pixels, remarks = grey.values, grey.remarks
    rgb = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if remarks:
        image.info[REMARKS] = remarks
    return image


def _channels_last(pixels: npt.NDArray[Any], channels_first: bool) -> npt.NDArray[Any]:
    """(H, W, C) of any of the shapes."""
    if pixels.ndim == 2 and pixels.size:
        return pixels[:, :, np.newaxis]
    if pixels.ndim == 3 and pixels.size:
        first, last = pixels.shape[0] in _CHANNELS, pixels.shape[2] in _CHANNELS
        if first and (channels_first or not last):
            return np.moveaxis(pixels, 0, 2)
        if last:
            return pixels
    raise PictureError(
        f"an array of shape {pixels.shape} is no picture: (H, W), (H, W, C) or (C, H, W) are, of 1, 3 or 4 channels"
    )

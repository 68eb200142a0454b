"""Small sketches of pictures in which light doesn't count and details do, so that they say what is the same picture.

Each cell of a grey thumbnail is set off against its surroundings and scaled by how much those vary (local contrast
normalisation; Jarrett et al., 2009, https://doi.org/10.1109/ICCV.2009.5459469). Compression, size, brightness and
contrast leave that as it is. What aligned pictures of one kind share (a white ground, the rim of a slide, the shape of
a face) fills only a few of its cells, so that two different ones differ where hashes of the whole agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from promptlab.support.arrays import BoolArray, FloatArray

SIDE = 32
"""Cells of a sketch's side."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a thumbnail, in its pixels."""
TONES = 4
"""Tones of a sketch's side: coarse, since they only have to tell colours apart."""
_GRAIN, _SURROUNDINGS, _FLAT = 0.6, 2.0, 4.0  # cells, cells, and the grey values that noise and compression reach


@dataclass(frozen=True)
class Sketches:
    """N pictures.

    Args:
        details: (N, SIDE, SIDE), of length 1, or 0 for a picture of one shade.
        tones: (N, TONES, TONES, 2) blue and red differences (Cb and Cr of JPEG) from 0 to 255.
    """

    details: FloatArray
    tones: FloatArray

    @property
    def flat(self) -> BoolArray:
        """(N,) whether there is nothing to be seen in it."""
        found: BoolArray = np.abs(self.details).max(axis=(1, 2)) == 0
        return found


def thumbnail(picture: Image.Image) -> Image.Image:
    """What a sketch is made of: twice its size, in YCbCr.

    Args:
        picture: any.
    """
    return picture.convert("RGB").resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS).convert("YCbCr")


def details_of(small: Image.Image, height: int = SIDE, width: int = SIDE, box: Box | None = None) -> FloatArray:
    """(height, width) of length 1, or zeros for a picture of one shade.

    Args:
        small: a thumbnail.
        height: cells.
        width: cells.
        box: a part of it; all if None.

    Example:
        >>> dark = Image.linear_gradient("L").rotate(30)
        >>> light = dark.point(lambda value: 60 + value // 2)
        >>> float((details_of(thumbnail(dark)) * details_of(thumbnail(light))).sum()) > 0.9
        True
    """
    grey = np.asarray(small.getchannel(0).resize((width, height), Image.Resampling.BOX, box), dtype=np.float32)
    grey = gaussian_filter(grey, _GRAIN, mode="nearest")
    off = grey - gaussian_filter(grey, _SURROUNDINGS, mode="nearest")
    found = off / (np.sqrt(gaussian_filter(off * off, _SURROUNDINGS, mode="nearest")) + _FLAT)
    found -= found.mean()
    length = float(np.linalg.norm(found))
    unit: FloatArray = (found / length if length > 1e-3 else np.zeros_like(found)).astype(np.float32)
    return unit


def tones_of(small: Image.Image, box: Box | None = None) -> FloatArray:
    """(TONES, TONES, 2) blue and red differences.

    Args:
        small: a thumbnail.
        box: a part of it; all if None.
    """
    found = small.resize((TONES, TONES), Image.Resampling.BOX, box)
    return np.asarray(found, dtype=np.float32)[..., 1:]


def sketches_of(thumbnails: list[Image.Image]) -> Sketches:
    """Sketches of N thumbnails."""
    details = [details_of(small) for small in thumbnails]
    tones = [tones_of(small) for small in thumbnails]
    return Sketches(
        np.array(details, dtype=np.float32).reshape(-1, SIDE, SIDE),
        np.array(tones, dtype=np.float32).reshape(-1, TONES, TONES, 2),
    )

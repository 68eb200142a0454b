"""A picture's file, or its bytes, to RGB."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from promptlab.data.pictures.formats import formats, what_is_missing
from promptlab.data.pictures.greys import grey_of_picture
from promptlab.data.pictures.reading import USUAL, PictureError, Reading

REMARKS = "promptlab.remarks"
"""Where the opened picture's ``info`` says what is unusual about how it was read: a tuple of texts."""

_FORMAT_CURE = "JPEG, PNG, TIFF, WebP, GIF, BMP, PGM, JPEG 2000, AVIF and HEIC are read"
_MOST_STRETCHED = 1000
_ORIENTATION = 0x0112  # EXIF's tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_pillows_limit = Lock()
# Pillow's own word on large pictures; here max_pixels says what is too large.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_picture(
    file: str | Path | BinaryIO, reading: Reading = USUAL, *, name: str = "", if_damaged: str = ""
) -> Image.Image:
    """Decode one picture by :func:`as_rgb`.

    Args:
        file: a path, or an open file.
        reading: see :class:`Reading`.
        name: what messages call it; its path if empty.
        if_damaged: what to do about a file that is damaged, a whole sentence.

    Raises:
        PictureError: if it is missing, empty, damaged, too large or no picture that is read; the message names it.

    Example:
        >>> from io import BytesIO
        >>> file = BytesIO()
        >>> Image.new("LA", (4, 3)).save(file, "PNG")
        >>> picture = open_picture(file, name="mine")
        >>> picture.mode, picture.size
        ('RGB', (4, 3))
    """
    name = name or str(file)
    try:
        with _opened(file) as image:
            _require_size(image, reading)
            _require_shape(image)
            return as_rgb(image, reading)
    except FileNotFoundError:
        raise PictureError(f"image is missing: {name}", "missing") from None
    except PictureError as error:  # of a sound file
        raise PictureError(f"image can't be read: {name} ({error})", error.reason) from None
    except Exception as error:  # Pillow's decoders raise many kinds
        reason = _reason(error, file)
        raise PictureError(
            f"image can't be read: {name} ({reason}){if_damaged and f'. {if_damaged}'}", reason
        ) from error


def as_rgb(image: Image.Image, reading: Reading = USUAL) -> Image.Image:
    """A picture as CoOp reads it, but for grey values of more than 8 bits, which :mod:`greys` scales.

    Transparency is dropped, of an animation the first frame counts, and CMYK is converted by Pillow's rule. What was
    unusual stands in ``info`` under :data:`REMARKS`.

    Args:
        image: any picture of Pillow's.
        reading: see :class:`Reading`.

    Raises:
        PictureError: for values that can't be read.

    Example:
        >>> as_rgb(Image.new("I;16", (1, 1), 65535)).getpixel((0, 0))
        (255, 255, 255)
    """
    grey = grey_of_picture(image, reading.grey_bits)
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.copy()
        del image.info["transparency"]  # it goes anyway, but Pillow would warn
    rgb = (image if grey is None else Image.fromarray(grey.values)).convert("RGB")
    if reading.exif and (turn := _TURNS.get(image.getexif().get(_ORIENTATION, 1))) is not None:
        rgb = rgb.transpose(turn)
    if grey is not None and grey.remarks:
        rgb.info[REMARKS] = grey.remarks
    return rgb


def _opened(file: str | Path | BinaryIO) -> Image.Image:
    """The file with its header read; also beyond Pillow's own limit, as no pixel is decoded yet."""
    try:
        return Image.open(file, "r", formats())
    except Image.DecompressionBombError:
        with _pillows_limit:
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(file, "r", formats())
            finally:
                Image.MAX_IMAGE_PIXELS = limit


def _require_size(image: Image.Image, reading: Reading) -> None:
    pixels = image.width * image.height
    if pixels > reading.max_pixels:
        raise PictureError(
            f"it has {image.width:,} x {image.height:,} pixels, more than max_pixels={reading.max_pixels} in all: "
            f"set max_pixels={pixels} (dataset.max_pixels for a run) to read it, which takes {3 * pixels / 1e9:.2g} GB",
            f"{image.width:,} x {image.height:,} pixels",
        )


def _require_shape(image: Image.Image) -> None:
    """What is resized by its shorter side must not become endless."""
    short, long = sorted(image.size)
    if long > _MOST_STRETCHED * short:
        raise PictureError(
            f"it has {long:,} x {short:,} pixels, one side more than {_MOST_STRETCHED:,} times the other: crop it"
        )


def _reason(error: Exception, file: str | Path | BinaryIO) -> str:
    if isinstance(file, str | Path) and os.path.isdir(file):
        return "it is a folder"
    if isinstance(file, str | Path) and os.path.exists(file) and os.path.getsize(file) == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError) and (missing := what_is_missing(file)) is not None:
        return f"it is {missing}"
    if isinstance(error, UnidentifiedImageError):
        return f"cannot identify a picture in it; {_FORMAT_CURE}"
    return str(error) or type(error).__name__

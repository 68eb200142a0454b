"""Ids of pictures: of their bytes, and of how those are read where that isn't plain.

An id decides which features and Results belong to a picture. It is the hash of the file's bytes, as it always was.
Where promptlab once read a kind of picture otherwise (grey values of 12 bits, floats), the way it is read is hashed
too, so that nothing made of the old pixels is taken for something made of the new.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from PIL import Image

from promptlab.data.pictures.formats import TIFF_STARTS, formats
from promptlab.data.pictures.greys import grey_of_picture
from promptlab.data.pictures.reading import Reading

ID_DIGITS = 32


def content_id(data: bytes) -> str:
    """Id of some content: the first 32 hex digits of its SHA-256.

    Example:
        >>> content_id(b"")
        'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(data).hexdigest()[:ID_DIGITS]


def picture_id(data: bytes) -> str:
    """Id of a picture's file under the usual reading.

    Args:
        data: the file's bytes.
    """
    plain = content_id(data)
    mark = _grey_mark(data) if _may_be_deep(data) else ""
    return content_id(f"{plain} {mark}".encode()) if mark else plain


def ids_under(reading: Reading, ids: list[str]) -> list[str]:
    """Ids of pictures under some reading, from those under the usual one.

    Example:
        >>> usual = [picture_id(b"")]
        >>> ids_under(Reading(), usual) == usual, ids_under(Reading(exif=True), usual) == usual
        (True, False)
    """
    return [content_id(f"{one} {reading.marks}".encode()) for one in ids] if reading.marks else ids


def _may_be_deep(data: bytes) -> bool:
    """Whether it is a TIFF, or a PNG of 16-bit grey: what can hold other values than it was taken for."""
    is_png = data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:26] == b"\x10\x00"
    return is_png or data[:4] in TIFF_STARTS


def _grey_mark(data: bytes) -> str:
    try:
        with Image.open(BytesIO(data), "r", formats()) as image:
            grey = grey_of_picture(image)
    except Exception:  # Pillow's decoders raise many kinds; what can't be read has no features
        return ""
    return "" if grey is None or grey.is_usual else f"grey {grey.bits}{' inverted' * grey.inverted}"

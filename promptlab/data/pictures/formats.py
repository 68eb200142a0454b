"""Which kinds of picture files are read. Pillow knows more; some of those start other programs, and none is opened."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jp2",
    ".avif", ".heic", ".heif",
)  # fmt: skip
"""What names of pictures end in. What a file is, its first bytes say."""

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "JPEG2000", "AVIF", "HEIF")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_HEIF = "a HEIC picture, which needs pillow-heif: pip install 'promptlab-clip[heif]', or save it as JPEG or PNG"
_TIFF = "damaged, or a TIFF of values that are not read: save it as RGB of 8 bits, or as grey of 8, 16 or 32"
_AVIF = "an AVIF picture, which needs Pillow 11.3: pip install 'pillow>=11.3', or save it as JPEG or PNG"


def is_image_name(name: str) -> bool:
    """Whether a file is an image, by its name's ending.

    Example:
        >>> is_image_name("cat/1.JPG"), is_image_name("cat/notes.txt")
        (True, False)
    """
    return name.lower().endswith(IMAGE_SUFFIXES)


@cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the kinds that can be read here; HEIF is among them where pillow-heif is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:
        register_heif_opener()
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def what_is_missing(file: str | Path | BinaryIO) -> str | None:
    """What a file is whose kind can't be read here, and what to install for it; None for all others."""
    start = _first_bytes(file)
    if start[:4] in TIFF_STARTS:
        return _TIFF
    if start[4:8] != b"ftyp":
        return None
    is_avif = b"avif" in start or b"avis" in start
    if is_avif:
        return None if "AVIF" in formats() else _AVIF
    is_heif = start[8:12] in _HEIF_BRANDS
    return _HEIF if is_heif and "HEIF" not in formats() else None


def _first_bytes(file: str | Path | BinaryIO) -> bytes:
    if isinstance(file, str | Path):
        with open(file, "rb") as opened:
            return opened.read(64)
    file.seek(0)
    return file.read(64)

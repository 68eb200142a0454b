"""Small pictures of test images for the page, of files that still are what was scored.

A Result doesn't say where a dataset lay, but its configuration has a folder or a file of it. A picture is shown only if
its bytes have the content id that the predictions name: no other picture, and no file that isn't a test image, ever
comes into a page. What can't be found, or is too large to be opened in passing, is left out.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from promptlab.report.confusion import Mistake

if TYPE_CHECKING:  # a table of results needs no Pillow
    from PIL import Image

SIDE = 64
"""Pixels of a picture's longer side."""
MOST_BYTES = 20_000_000
"""Of a file; a larger one isn't read."""
MOST_PIXELS = 30_000_000
"""Of a picture; a larger one isn't decoded."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM")
_logger = logging.getLogger(__name__)


def thumbnail(mistake: Mistake) -> str | None:
    """The picture as a ``data:`` URI of a small JPEG; None where it isn't there or can't be opened.

    Args:
        mistake: names the file and its content id.

    Example:
        >>> thumbnail(Mistake(file="no/such.jpg", content_id="0" * 32, confidence=0.9, config={})) is None
        True
    """
    name = PurePosixPath(mistake.file)
    if not mistake.file or name.is_absolute() or ".." in name.parts:
        return None
    for folder in folders_of(mistake.config):
        data = _bytes_of(folder / name)
        if data is not None and hashlib.sha256(data).hexdigest().startswith(mistake.content_id):
            return _small(data, mistake.file)
    return None


def folders_of(config: Mapping[str, Any]) -> list[Path]:
    """The folders that are there of those that a configuration names, each once.

    Relative ones are looked for in the working folder, and beside the folder of results.

    Args:
        config: of a run, as composed.
    """
    bases = [Path(), Path(str(config.get("results", ""))).parent]
    return _existing(tuple(dict.fromkeys(base / name for name in _names(config.get("dataset", {})) for base in bases)))


@lru_cache(maxsize=256)
def _existing(paths: tuple[Path, ...]) -> list[Path]:
    folders = [path if path.is_dir() else path.parent for path in paths if path.exists()]
    return list(dict.fromkeys(folders))


def _names(value: object) -> Iterator[str]:
    """Every text of a part of a configuration, folders below a root behind that root."""
    if isinstance(value, Mapping):
        root, folders = value.get("root"), value.get("folders", ())
        if isinstance(root, str) and isinstance(folders, list | tuple):
            yield from (os.path.join(root, str(folder)) for folder in folders)
        for part in value.values():
            yield from _names(part)
    elif isinstance(value, str) and value:
        yield value


def _bytes_of(path: Path) -> bytes | None:
    try:
        if path.is_file() and path.stat().st_size <= MOST_BYTES:
            return path.read_bytes()
    except (OSError, ValueError):  # a name that is none here, e.g. with a zero byte
        return None
    return None


def _small(data: bytes, name: str) -> str | None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), "r", FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    return None
                image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded no larger than needed
                small = image.convert("RGB")
        return data_uri(small)
    except Exception as error:  # Pillow's decoders raise many kinds, and a page does without a picture
        _logger.warning("left a picture out: %s can't be opened (%s)", name, error)
        return None


def data_uri(picture: Image.Image, side: int = SIDE) -> str:
    """A picture as a small JPEG that stands in a page itself.

    Args:
        picture: RGB; it is left as it is.
        side: pixels of the longer side.

    Example:
        >>> from PIL import Image
        >>> data_uri(Image.new("RGB", (200, 100)))[:23]
        'data:image/jpeg;base64,'
    """
    small = picture.copy()
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"

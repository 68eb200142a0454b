"""Which images can't be decoded; what was found readable once is remembered by content and not decoded again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from promptlab.data.hashing import content_id
from promptlab.data.items import ImageSource
from promptlab.support.errors import DatasetError
from promptlab.support.machine import reader_threads
from promptlab.support.paths import cache_dir
from promptlab.support.progress import image_progress

log = logging.getLogger(__name__)

_CHUNK = 256
_SHOW_FROM = 500


def unreadable(source: ImageSource, indices: Sequence[int], *, progress: bool = True) -> dict[int, str]:
    """A message for each image that can't be decoded.

    Args:
        source: where the images are; somebody's features were checked when they were read.
        indices: images of the source, all different.
        progress: whether to show a bar for many images.
    """
    from promptlab.data.sources.features import FeatureRows  # needs torch, which nobody waits for who reads lists alone

    if isinstance(source, FeatureRows):
        return {}

    def message(index: int) -> str | None:
        try:
            source.open(index).close()
        except DatasetError as error:
            return str(error)
        return None

    found: dict[int, str] = {}
    show = progress and len(indices) >= _SHOW_FROM
    with (
        image_progress("reading images", len(indices), show) as advance,
        ThreadPoolExecutor(reader_threads()) as pool,
    ):
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            for index, text in zip(chunk, pool.map(message, chunk), strict=True):
                if text is not None:
                    found[index] = text
            advance(len(chunk))
    return found


def newly_unreadable(source: ImageSource, indices: Sequence[int]) -> dict[int, str]:
    """As :func:`unreadable`, but nothing is decoded if exactly these contents were found readable before.

    Args:
        source: where the images are.
        indices: images of the source that are there, all different.
    """
    try:
        contents = "\n".join(sorted(set(source.content_ids(indices))))
    except DatasetError:  # names the first bad one; decoding names all
        return unreadable(source, indices)
    mark = cache_dir() / "readable" / content_id(contents.encode())
    if mark.exists():
        return {}
    found = unreadable(source, indices)
    if not found:
        _leave(mark)
    return found


def _leave(mark: Path) -> None:
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        log.info("can't remember which images are readable: %s", error)

"""Pictures that a document names, where their files still are what it was written of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from promptlab.data.items import Items
from promptlab.data.pictures.reading import Reading
from promptlab.data.sources.files import FileImages
from promptlab.support.arrays import IntArray


def found_pictures(
    base: Path, files: Sequence[str], content_ids: Sequence[str], labels: IntArray, reading: Reading
) -> tuple[Items, IntArray]:
    """Those pictures below a folder that have the content that is said of them.

    Args:
        base: the folder; nothing outside it is opened.
        files: N names relative to it.
        content_ids: N ids.
        labels: (N,) class indices.
        reading: how they are read.

    Returns:
        M pictures with their labels, and which of the N they are, (M,).

    Example:
        >>> found_pictures(Path("no"), ["../../etc/passwd"], ["0" * 32], np.array([0]), Reading())[1]
        array([], dtype=int64)
    """
    source = FileImages(base, files, reading)
    inside = [row for row, file in enumerate(files) if _is_inside(file) and (base / file).is_file()]
    there = np.array(inside, dtype=np.int64)
    same = [content_ids[row] == found for row, found in zip(inside, source.content_ids(there), strict=True)]
    rows = there[np.array(same, dtype=np.bool_)]
    return Items(source, rows, labels[rows]), rows


def _is_inside(name: str) -> bool:
    """Whether a name can only lie below the folder that it is relative to."""
    path = PurePosixPath(name)
    return bool(name) and "\0" not in name and not path.is_absolute() and ".." not in path.parts

"""What is in xlsa17's ``.mat`` files, with indices and labels counted from 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from promptlab.support import reads
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError

KEYS = ("image_files", "labels", "allclasses_names")
LOCS = ("trainval_loc", "train_loc", "val_loc", "test_seen_loc", "test_unseen_loc")


def read_mat(name: str, path: Path) -> dict[str, Any]:
    """A file's arrays, without the 2048 features of every image.

    Raises:
        DatasetError: if the file is missing or no ``.mat`` file.
    """
    from scipy.io import loadmat

    reads.note(path)
    if not path.is_file():
        raise DatasetError(f"{name}: {path.name} is missing. It belongs at {path} (from xlsa17.zip, data/).")
    try:
        found: dict[str, Any] = loadmat(str(path), variable_names=[*KEYS, *LOCS])
    except Exception as error:  # scipy raises many kinds for files that are none
        raise DatasetError(f"{path} can't be read as a .mat file ({error}). Fetch it again.") from error
    return found


def array_of(content: dict[str, Any], key: str, path: Path) -> Any:
    """An array as (N,), whether it lies as a row or as a column.

    Raises:
        DatasetError: if the file has none of this name.
    """
    if key not in content:
        raise DatasetError(f"{path} has no {key}: a file of xlsa17's proposed splits is needed")
    return np.asarray(content[key]).reshape(-1)


def loc_of(content: dict[str, Any], key: str, count: int, path: Path) -> IntArray:
    """A list of images (n,), of ``count`` that there are.

    Raises:
        DatasetError: if it is missing, empty, out of range, or lists an image twice.
    """
    rows = counted_from_one(array_of(content, f"{key}_loc", path), path, f"{key}_loc")
    if rows.max() >= count:
        raise DatasetError(f"{path}: {key}_loc runs to {rows.max() + 1}, but there are {count} images")
    if len(np.unique(rows)) < len(rows):
        raise DatasetError(f"{path}: {key}_loc lists images twice")
    return rows


def counted_from_one(values: Any, path: Path, key: str) -> IntArray:
    """Whole numbers from 1, less 1.

    Raises:
        DatasetError: if there are none, or others.
    """
    if not len(values):
        raise DatasetError(f"{path}: {key} is empty")
    numeric = np.issubdtype(values.dtype, np.number)
    if not numeric or not np.array_equal(values, np.floor(values)) or values.min() < 1:
        raise DatasetError(f"{path}: {key} must hold whole numbers from 1")
    return np.asarray(values, dtype=np.int64) - 1


def texts_of(content: dict[str, Any], key: str, path: Path) -> list[str]:
    """A cell array of strings; each cell is an array with one string.

    Raises:
        DatasetError: if the file has none of this name.
    """
    return ["".join(np.asarray(cell).reshape(-1).astype(str)).strip() for cell in array_of(content, key, path)]

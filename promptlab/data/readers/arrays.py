"""Reading features and labels from ``.npy``, ``.npz`` and ``.safetensors`` files; none of them can run code."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from promptlab.class_text.names_file import texts_of
from promptlab.support import reads
from promptlab.support.arrays import FloatArray, IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.json_texts import read_json_text
from promptlab.support.pointers import refuse_pointer

_ALLOWED = ".npy, .npz or .safetensors"


@dataclass(frozen=True)
class FeatureFile:
    """What a file held: (N, D) features, (N,) labels, and class names where it has them."""

    path: Path
    features: FloatArray
    labels: IntArray
    class_names: tuple[str, ...] | None


def read_feature_file(path: str | Path, labels: str | Path | None = None) -> FeatureFile:
    """Read one file of features.

    Args:
        path: a ``.npy``, ``.npz`` or ``.safetensors`` file.
        labels: a ``.npy`` file of labels, where ``path`` is a ``.npy`` or holds none.

    Returns:
        Its features, labels and, where it has them, class names.

    Raises:
        DatasetError: naming the file and what is wrong with it.
    """
    path = Path(path).expanduser()
    arrays, names = _read(path)
    if labels is not None:
        arrays["labels"] = _only(_read(Path(labels).expanduser())[0], Path(labels))
    if path.suffix == ".npy" and "labels" not in arrays:
        raise DatasetError(f"{path} holds features alone: name the file of their labels too (e.g. train_labels=FILE)")
    for key in ("features", "labels"):
        if key not in arrays:
            raise DatasetError(f"{path} has no array {key!r}; it has {sorted(arrays)}")
    features = arrays["features"]
    if features.ndim != 2:
        raise DatasetError(f"{path}: features must be floats of shape (N, D), got {features.dtype} {features.shape}")
    return FeatureFile(path, features, _labels(arrays["labels"], len(features), path), names)


def _read(path: Path) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    reads.note(path)
    if not path.is_file():
        raise DatasetError(f"file of features is missing: {path}")
    refuse_pointer(path, DatasetError)
    try:
        if path.suffix == ".npy":
            return {"features": np.load(path, allow_pickle=False)}, None
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
            names = arrays.pop("class_names", None)
            return arrays, None if names is None else _names(names.tolist(), path)
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
    except (ValueError, OSError, EOFError, KeyError, SafetensorError, zipfile.BadZipFile) as error:
        raise DatasetError(f"file of features can't be read: {path} ({error})") from error
    raise DatasetError(f"file of features is of an unknown kind: {path}; allowed are {_ALLOWED}")


def _read_safetensors(path: Path) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    with safe_open(path, framework="pt") as file:  # torch's reader knows bfloat16, numpy's does not
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        names = (file.metadata() or {}).get("class_names")
    arrays = {key: (t.float() if t.is_floating_point() else t).numpy() for key, t in tensors.items()}
    return arrays, None if names is None else _names(read_json_text(names), path)


def _names(held: Any, path: Path) -> tuple[str, ...]:
    """The class names in a file; numpy may hold texts as bytes."""
    listed = [name.decode() if isinstance(name, bytes) else name for name in np.atleast_1d(np.array(held)).tolist()]
    return tuple(texts_of(listed, f"class_names in {path}"))


def _only(arrays: dict[str, Any], path: Path) -> Any:
    if "labels" in arrays:
        return arrays["labels"]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DatasetError(f"{path} has no array 'labels'; it has {sorted(arrays)}")


def _labels(labels: Any, n: int, path: Path) -> IntArray:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DatasetError(f"{path}: labels must be whole numbers of shape (N,), got {labels.dtype} {labels.shape}")
    if len(labels) != n:
        raise DatasetError(f"{path}: {n} features but {len(labels)} labels")
    converted: IntArray = labels.astype(np.int64)
    return converted

"""The predictions sidecar: for every test image its label, content id and best five classes, in one safetensors file.

Confusions, calibration and errors of single images can be drawn from it later, without the model. Equal predictions
give equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptlab.results.content_ids import CONTENT_ID_BYTES, unpack_content_ids
from promptlab.results.document import ResultError
from promptlab.results.sidecar import opened_sidecar, required, write_sidecar
from promptlab.results.store import safe_name
from promptlab.support.checksums import DamageError
from promptlab.support.tensor_files import Header
from promptlab.support.typed_json import from_plain
from promptlab.support.words import counted

SCHEMA_VERSION = 2
"""Version 2 has a checksum; version 1 had none and is else the same."""
_TENSORS = {
    "labels": (np.int32, 1),
    "top_ids": (np.int32, 2),
    "top_probabilities": (np.float32, 2),
    "image_ids": (np.uint8, 2),
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Predictions:
    """What a learner predicted on one evaluation set of N images and C classes; k is min(5, C).

    Args:
        evaluation: name of the evaluation set.
        eval_id: id of the evaluation.
        class_names: C names in label order.
        labels: (N,) int32 class indices.
        top_ids: (N, k) int32 class indices, best first.
        top_probabilities: (N, k) float32 softmax probabilities over all C classes, in [0, 1], falling along k.
        image_ids: (N, 16) uint8, the bytes of each image's content id.
        files: N names of the images, relative to the dataset's folder where they are files; None in files that were
            written before there were names.

    Raises:
        ValueError: if shapes, types or ranges are others.
    """

    evaluation: str
    eval_id: str
    class_names: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    top_ids: npt.NDArray[np.int32]
    top_probabilities: npt.NDArray[np.float32]
    image_ids: npt.NDArray[np.uint8]
    files: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, (dtype, ndim) in _TENSORS.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != ndim:
                raise ValueError(f"{name} must be {ndim}-dimensional {dtype.__name__}, got {array.shape} {array.dtype}")
        n, c = len(self.labels), len(self.class_names)
        k = min(self.top_ids.shape[1], c)
        wanted = {"top_ids": (n, k), "top_probabilities": (n, k), "image_ids": (n, CONTENT_ID_BYTES)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")
        for name in ("labels", "top_ids"):
            array = getattr(self, name)
            if array.size and not (array.min() >= 0 and array.max() < c):
                raise ValueError(f"{name} hold class indices outside [0, {c})")
        p = self.top_probabilities
        if not (np.all((p >= 0) & (p <= 1)) and np.all(p[:, :-1] >= p[:, 1:])):
            raise ValueError("top_probabilities must lie in [0, 1] and fall from best to worst")
        if self.files is not None and len(self.files) != n:
            raise ValueError(f"files must name all {n} images, got {len(self.files)} names")

    def __repr__(self) -> str:
        """One line."""
        right = int((self.top_ids[:, 0] == self.labels).sum())
        size = f"{counted(len(self.labels), 'image')}, {counted(len(self.class_names), 'class')}"
        return f"Predictions({self.evaluation}: {size}, {right} right)"

    def rows(self) -> list[dict[str, Any]]:
        """A row of plain values per image, for ``pandas.DataFrame``: its file, its label, the prediction."""
        names = self.class_names
        return [
            {
                "file": None if self.files is None else self.files[i],
                "label": names[int(self.labels[i])],
                "predicted": names[int(self.top_ids[i, 0])],
                "probability": float(self.top_probabilities[i, 0]),
                "correct": bool(self.labels[i] == self.top_ids[i, 0]),
                "content_id": content_id,
            }
            for i, content_id in enumerate(self.content_ids())
        ]

    def content_ids(self) -> list[str]:
        """N content ids of 32 hexadecimal digits."""
        return unpack_content_ids(self.image_ids)


@dataclass(frozen=True, kw_only=True)
class _Metadata:
    schema_version: int
    evaluation: str
    eval_id: str
    class_names: tuple[str, ...]
    files: tuple[str, ...] | None = None


def predictions_name(evaluation: str) -> str:
    """File name of an evaluation's sidecar, ``predictions-<evaluation>.safetensors``.

    Raises:
        ValueError: if the evaluation's name can't be part of a file name.

    Example:
        >>> predictions_name("base")
        'predictions-base.safetensors'
    """
    return f"predictions-{safe_name(evaluation)}.safetensors"


def write_predictions(directory: str | Path, predictions: Predictions) -> Path:
    """Write a sidecar into a run's folder, atomically.

    Returns:
        The path of the file, named :func:`predictions_name`.
    """
    metadata = _Metadata(
        schema_version=SCHEMA_VERSION,
        evaluation=predictions.evaluation,
        eval_id=predictions.eval_id,
        class_names=predictions.class_names,
        files=predictions.files,
    )
    path = Path(directory) / predictions_name(predictions.evaluation)
    return write_sidecar(path, predictions, list(_TENSORS), metadata)


def read_predictions(path: str | Path) -> Predictions:
    """Read a sidecar and check it.

    Raises:
        ResultError: for a missing or damaged file, an unknown schema version, or wrong contents, naming the file.

    Example:
        >>> predictions = read_predictions("RUN/predictions-new.safetensors")  # doctest: +SKIP
        >>> (predictions.top_ids[:, 0] == predictions.labels).mean()  # doctest: +SKIP
        >>> [row["file"] for row in predictions.rows() if not row["correct"]]  # doctest: +SKIP
    """
    with opened_sidecar(path, "a predictions file") as (header, arrays):
        metadata = _metadata(header, path)
        return Predictions(
            evaluation=metadata.evaluation,
            eval_id=metadata.eval_id,
            class_names=metadata.class_names,
            files=metadata.files,
            **required(arrays, list(_TENSORS)),
        )


def _metadata(header: Header, path: str | Path) -> _Metadata:
    if not header.metadata:
        raise ResultError(f"{path}: has no promptlab metadata, so it isn't a predictions file")
    metadata = from_plain(_Metadata, header.metadata)
    if not 1 <= metadata.schema_version <= SCHEMA_VERSION:
        raise ResultError(
            f"{path}: schema_version: this promptlab reads versions 1 to {SCHEMA_VERSION}, the file has "
            f"{metadata.schema_version}"
        )
    if metadata.schema_version > 1 and not header.sealed:
        raise DamageError("it has no checksum: it was cut or changed after it was written")
    return metadata

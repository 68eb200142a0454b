"""All logits of an evaluation set in one safetensors file, for runs with ``keep=logits``.

Thresholds, AUROC, temperature and ensembles can be had from them later, without the model. They are kept to 16 bits as
what each is below the image's largest, which itself has 32: the order of the best classes survives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptlab.results.content_ids import CONTENT_ID_BYTES, pack_content_ids, unpack_content_ids
from promptlab.results.document import ResultError
from promptlab.results.sidecar import opened_sidecar, required, write_sidecar
from promptlab.results.store import safe_name
from promptlab.support.checksums import DamageError
from promptlab.support.typed_json import from_plain

SCHEMA_VERSION = 1
_TENSORS = {"best": np.float32, "below": np.float16, "labels": np.int32, "image_ids": np.uint8}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Logits:
    """What a learner says of N images and C classes.

    Args:
        evaluation: name of the evaluation set.
        eval_id: id of the evaluation.
        class_names: C names in label order.
        best: (N,) float32, each image's largest logit.
        below: (N, C) float16 from 0 down, how far below it each class is.
        labels: (N,) int32 class indices.
        image_ids: (N, 16) uint8, the bytes of each image's content id.

    Raises:
        ValueError: if shapes, types or ranges are others.

    Example:
        >>> kept = logits_of_arrays(np.array([[1.0, 3.0]]), [1], ["cat", "dog"], ["00" * 16], "base", "0" * 16)
        >>> kept.logits, kept.probabilities().round(2)
        (array([[1., 3.]], dtype=float32), array([[0.12, 0.88]], dtype=float32))
    """

    evaluation: str
    eval_id: str
    class_names: tuple[str, ...]
    best: npt.NDArray[np.float32]
    below: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int32]
    image_ids: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        n, c = len(self.labels), len(self.class_names)
        shapes = {"best": (n,), "below": (n, c), "labels": (n,), "image_ids": (n, CONTENT_ID_BYTES)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != _TENSORS[name]:
                raise ValueError(f"{name} must be {shape} {_TENSORS[name].__name__}, got {array.shape} {array.dtype}")
        if not (np.isfinite(self.best).all() and (self.below <= 0).all() and (self.below.max(axis=1) == 0).all()):
            raise ValueError("best must be finite, and below hold one 0 an image and no number above it")
        if n and not (self.labels.min() >= 0 and self.labels.max() < c):
            raise ValueError(f"labels hold class indices outside [0, {c})")

    def __repr__(self) -> str:
        """One line."""
        return f"Logits({self.evaluation}: {len(self.labels)} images, {len(self.class_names)} classes)"

    @property
    def logits(self) -> npt.NDArray[np.float32]:
        """(N, C) logits."""
        whole: npt.NDArray[np.float32] = self.best[:, None] + self.below.astype(np.float32)
        return whole

    def probabilities(self, temperature: float = 1.0) -> npt.NDArray[np.float32]:
        """(N, C) softmax probabilities.

        Args:
            temperature: what the logits are divided by; above 1 makes them less sure.
        """
        powers = np.exp(self.below.astype(np.float32) / np.float32(temperature))
        shares: npt.NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def content_ids(self) -> list[str]:
        """N content ids of 32 hexadecimal digits, by which images of several runs are matched."""
        return unpack_content_ids(self.image_ids)


@dataclass(frozen=True, kw_only=True)
class _Metadata:
    schema_version: int
    evaluation: str
    eval_id: str
    class_names: tuple[str, ...]


def logits_of_arrays(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    class_names: Sequence[str],
    content_ids: Sequence[str],
    evaluation: str,
    eval_id: str,
) -> Logits:
    """Logits as they are kept.

    Args:
        logits: (N, C) numbers.
        labels: (N,) class indices.
        class_names: C names.
        content_ids: N ids of 32 hexadecimal digits.
        evaluation: name of the evaluation set.
        eval_id: its id.

    Raises:
        ValueError: if a logit is no number or infinite.
    """
    whole = np.asarray(logits, dtype=np.float32)
    if not np.isfinite(whole).all():
        raise ValueError(f"logits of {evaluation}: some are no finite numbers, which can't be kept")
    best = whole.max(axis=1)
    below = np.maximum(whole - best[:, None], np.finfo(np.float16).min).astype(np.float16)
    return Logits(
        evaluation=evaluation,
        eval_id=eval_id,
        class_names=tuple(class_names),
        best=best,
        below=below,
        labels=np.asarray(labels, dtype=np.int32),
        image_ids=pack_content_ids(content_ids),
    )


def logits_name(evaluation: str) -> str:
    """File name of an evaluation's logits.

    Example:
        >>> logits_name("base")
        'logits-base.safetensors'
    """
    return f"logits-{safe_name(evaluation)}.safetensors"


def write_logits(directory: str | Path, logits: Logits) -> Path:
    """Write logits into a run's folder, atomically.

    Returns:
        The path of the file, named :func:`logits_name`.
    """
    metadata = _Metadata(
        schema_version=SCHEMA_VERSION,
        evaluation=logits.evaluation,
        eval_id=logits.eval_id,
        class_names=logits.class_names,
    )
    return write_sidecar(Path(directory) / logits_name(logits.evaluation), logits, list(_TENSORS), metadata)


def read_logits(path: str | Path) -> Logits:
    """Read the logits of an evaluation and check them.

    Args:
        path: the file; ``result.folder / result.evaluations["new"].logits`` of a Result that was read.

    Raises:
        ResultError: for a missing or damaged file, an unknown schema version, or wrong contents, naming the file.

    Example:
        >>> from promptlab import load_results
        >>> for result in load_results("results"):  # doctest: +SKIP
        ...     kept = read_logits(result.folder / result.evaluations["new"].logits)
        ...     softer = kept.probabilities(temperature=2.0)
        ...     print(result.learner, (softer.argmax(axis=1) == kept.labels).mean())
    """
    with opened_sidecar(path, "a file of logits") as (header, arrays):
        if not header.metadata or not header.sealed:
            raise DamageError("it has no checksum, or is no file of logits")
        metadata = from_plain(_Metadata, header.metadata)
        if metadata.schema_version != SCHEMA_VERSION:
            raise ResultError(f"{path}: schema_version: this promptlab reads version {SCHEMA_VERSION}, the file has "
                              f"{metadata.schema_version}")  # fmt: skip
        return Logits(
            evaluation=metadata.evaluation,
            eval_id=metadata.eval_id,
            class_names=metadata.class_names,
            **required(arrays, list(_TENSORS)),
        )

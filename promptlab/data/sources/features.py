"""A user's own features where images would be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.data.hashing import content_id
from promptlab.support.arrays import FloatArray, IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.words import counted

_UNIT = 1e-3
"""How far from 1 the lengths of features are that somebody normalised, in fp16 too."""


class FeatureRows:
    """An ``ImageSource`` without images: rows of features that somebody else computed.

    Args:
        features: (N, D) floats, finite and not zero; they are L2-normalised here.
        name: shown to people, e.g. the file's name.

    Raises:
        DatasetError: if the shape or a value is wrong.

    Example:
        >>> rows = FeatureRows(np.array([[3.0, 4.0], [0.0, 2.0]]), "mine.npy")
        >>> rows.describe(1), rows.take(np.array([0]), dim=2).tolist()
        ('mine.npy[1]', [[0.6000000238418579, 0.800000011920929]])
    """

    def __init__(self, features: FloatArray, name: str) -> None:
        if features.ndim != 2 or 0 in features.shape or not np.issubdtype(features.dtype, np.floating):
            raise DatasetError(
                f"{name}: features must be floats of shape (N, D), got {features.dtype} {features.shape}"
            )
        rows = features.astype(np.float32)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
        if len(bad):
            raise DatasetError(
                f"{name}: {counted(len(bad), 'row is', 'rows are')} zero or not finite, the first is row {int(bad[0])}"
            )
        self.features: Tensor = torch.from_numpy(rows / norms)
        self.norms: Tensor = torch.from_numpy(norms)  # (N, 1)
        self.name = name

    def __len__(self) -> int:
        return len(self.features)

    def open(self, index: int) -> Image.Image:
        """There is nothing to open.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(
            f"{self.describe(index)} is a feature, not an image: use a learner that trains on features, and views=0"
        )

    def describe(self, index: int) -> str:
        """The file's name and the row."""
        return f"{self.name}[{index}]"

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Hashes of the normalised rows' bytes."""
        return self._hashes(self.features, indices)

    def raw_content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Hashes of the rows' bytes, lengths among them."""
        return self._hashes(torch.cat([self.features, self.norms], 1), indices)

    @staticmethod
    def _hashes(features: Tensor, indices: Sequence[int] | IntArray) -> list[str]:
        rows = features.numpy()
        return [content_id(rows[index].tobytes()) for index in np.asarray(indices, dtype=np.int64).tolist()]

    def take(self, indices: IntArray, *, dim: int, normalised: bool = True) -> Tensor:
        """Rows by index.

        Args:
            indices: (N,) rows.
            dim: D of the backbone that the features meet.
            normalised: False for rows as long as they were given.

        Returns:
            (N, D) float32.

        Raises:
            DatasetError: if the features are of another width, or their lengths are wanted and they were given
                L2-normalised.
        """
        if self.features.shape[1] != dim:
            raise DatasetError(
                f"{self.name} holds features of width {self.features.shape[1]}, but the backbone's joint space has "
                f"{dim}: they were computed with another backbone. Choose that one (backbone=...)."
            )
        rows = torch.from_numpy(indices)
        if normalised:
            return self.features[rows]
        if bool(((self.norms - 1).abs() < _UNIT).all()):
            raise DatasetError(
                f"{self.name} holds L2-normalised features, and this learner reads their lengths too (normalised = "
                "False): write them as the image tower gives them, or give images"
            )
        return self.features[rows] * self.norms[rows]

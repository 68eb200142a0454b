"""Whether the backbone knows the classes' names: how close their texts lie, and what it tells apart by them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from promptlab.support.arrays import DoubleArray, FloatArray, IntArray

ALIKE = 0.97
"""The least cosine of two class texts that are as good as one; names of unlike things mostly have 0.6 to 0.9."""


@dataclass(frozen=True, kw_only=True)
class NamePair:
    """Two classes whose texts lie on each other.

    Args:
        name: of one.
        other: of the other.
        similarity: cosine of their text features.
    """

    name: str
    other: str
    similarity: float


def nearest_names(texts: Tensor, class_names: Sequence[str], most: int = 5) -> tuple[NamePair, ...]:
    """The pairs of classes whose texts are closest, the closest first.

    Args:
        texts: (C, D), L2-normalised.
        class_names: C names.
        most: how many are named.

    Example:
        >>> import torch
        >>> texts = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> [(pair.name, pair.other) for pair in nearest_names(texts, ["cat", "kitten", "owl"], most=1)]
        [('kitten', 'owl')]
    """
    similarities = np.asarray((texts @ texts.T).cpu(), dtype=np.float64)
    rows, others = np.triu_indices(len(class_names), 1)
    order = np.argsort(-similarities[rows, others], kind="stable")[:most]
    return tuple(
        NamePair(name=class_names[a], other=class_names[b], similarity=min(float(similarities[a, b]), 1.0))
        for a, b in zip(rows[order].tolist(), others[order].tolist(), strict=True)
    )


def recalls_by_name(features: FloatArray, labels: IntArray, texts: Tensor) -> DoubleArray:
    """(C,) the share of each class's pictures that its name alone finds, NaN for a class without pictures.

    Args:
        features: (N, D), L2-normalised.
        labels: (N,) class indices.
        texts: (C, D), L2-normalised.
    """
    said = (features @ np.asarray(texts.cpu(), dtype=np.float32).T).argmax(axis=1)
    counts = np.bincount(labels, minlength=len(texts))
    right = np.bincount(labels[said == labels], minlength=len(texts))
    return np.where(counts > 0, right / np.maximum(counts, 1), np.nan)

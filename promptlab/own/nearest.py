"""The training pictures that are nearest to a picture, as the backbone sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Neighbour:
    """A picture near another.

    Args:
        row: its position among the pictures that were looked through.
        label: its class.
        similarity: cosine of their features.
    """

    row: int
    label: str
    similarity: float


def nearest_pictures(
    features: Tensor, among: Tensor, labels: Sequence[str], most: int = 5
) -> list[tuple[Neighbour, ...]]:
    """For each picture the nearest others, the nearest first.

    Args:
        features: (B, D) of pictures, L2-normalised.
        among: (N, D) of those that are looked through, likewise.
        labels: N class names.
        most: how many are named.

    Example:
        >>> import torch
        >>> eye = torch.eye(3)
        >>> nearest_pictures(torch.tensor([[0.8, 0.6, 0.0]]), eye, ["cat", "dog", "owl"], most=2)[0][0].label
        'cat'
    """
    found = (features @ among.to(features).T).topk(min(most, len(among)), dim=1)
    return [
        tuple(Neighbour(row, labels[row], value) for row, value in zip(*both, strict=True))
        for both in zip(found.indices.tolist(), found.values.tolist(), strict=True)
    ]

"""Which features are nearest to others."""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = 1 << 24
"""Cosines that are held at once."""


def nearest(rows: Tensor, among: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest cosines of each row, and whose they are.

    Args:
        rows: (n, D), L2-normalised.
        among: (Q, D) likewise.
        count: how many, of a row; all Q where there are fewer.

    Returns:
        Cosines and indices into ``among``, both (n, count), the largest first.

    Example:
        >>> import torch
        >>> nearest(torch.eye(2), torch.eye(2), 1)[1].tolist()
        [[0], [1]]
    """
    count = min(count, len(among))
    chunks = torch.split(rows, max(1, _AT_ONCE // max(1, len(among))))
    parts = [(chunk @ among.T).topk(count, dim=1) for chunk in chunks]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])

"""How many bytes the text tower keeps, as a count of the tensors that its operations save."""

from __future__ import annotations

from collections.abc import Sized
from math import ceil
from typing import Protocol

import torch

DEFAULT_MB = 3072
"""Lets 1,000 names with 16 context tokens on ViT-B/16's tower go forward and backward without recomputing."""

FORWARD_MB = 256
"""What a chunk takes of a processor's forward pass alone, at most: larger ones leave its caches and gain nothing."""

PREFIX_SHARE = 0.25
"""Part of the budget that prefixes may take before they are encoded in groups."""


_WHOLE_FLOATS = 20
"""Numbers of a token's width that a plain transformer layer keeps for the backward pass, attention apart."""


class TowerSizes(Protocol):
    """What the counts need to know of a text tower."""

    heads: int
    width: int

    @property
    def blocks(self) -> Sized:
        """Its layers."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        ...


class WholeSizes(Protocol):
    """What the count of whole prompts needs to know of a text tower."""

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        ...

    @property
    def depth(self) -> int:
        """Layers."""
        ...

    @property
    def width(self) -> int:
        """Width of a token."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        ...


def whole_bytes(tower: WholeSizes, length: int, trains: bool) -> int:
    """Bytes kept for one prompt that runs as a whole, through all layers."""
    per_layer = length * (_WHOLE_FLOATS * tower.width + 3 * tower.heads * length)
    return per_layer * (tower.depth if trains else 2) * tower.dtype.itemsize


def token_floats(tower: TowerSizes, attended: int, trains: bool) -> int:
    """Numbers kept for one token that attends to ``attended`` tokens, over all layers."""
    attention = 2 * tower.heads * attended  # the softmax, and its two parts
    per_layer = 14 * tower.width + attention  # ln_1, q k v and their copies, ln_2, the MLP's input and output
    return per_layer * (len(tower.blocks) if trains else 2)


def pair_bytes(tower: TowerSizes, prefix_length: int, tail_length: int, trains: bool) -> int:
    """Bytes kept for the tail of one pair."""
    return tail_length * token_floats(tower, prefix_length + tail_length, trains) * tower.dtype.itemsize


def prefix_bytes(tower: TowerSizes, length: int, trains: bool) -> int:
    """Bytes kept for one prefix: its own activations, and its keys and values in every layer."""
    own = token_floats(tower, 0, trains)
    return length * (own + 2 * tower.width * len(tower.blocks)) * tower.dtype.itemsize


def require_minimum(budget: int, per_prefix: int, per_pair: int) -> None:
    """Refuse a budget below what one prefix with its longest tail needs.

    Raises:
        MemoryError: naming the minimum in MiB.
    """
    minimum = max(per_prefix / PREFIX_SHARE, per_pair / (1 - PREFIX_SHARE)) if per_prefix else per_pair
    if budget < minimum:
        raise MemoryError(
            f"text_memory_mb={budget / 2**20:g} is below the minimum for one prompt of this length: "
            f"give at least {ceil(minimum / 2**20)}"
        )

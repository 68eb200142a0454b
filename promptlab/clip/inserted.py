"""Vectors that stand behind the first token of a tower's sequence from a later layer on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inserted:
    """Vectors behind SOS or the class token, without positions: the lowest layer's are inserted, later ones replace.

    Args:
        vectors: layer (0-based) to (K, W), W the tower's width, K the same in all.
        share: of later layers' vectors in what then stands in their places; the rest is what stood there.

    Raises:
        ValueError: without vectors, for other shapes, or a share outside of 0 to 1.

    Example:
        >>> import torch
        >>> inserted = Inserted({1: torch.zeros(2, 64), 2: torch.ones(2, 64)}, share=0.6)
        >>> inserted.first, sorted(inserted.later), inserted.count
        (1, [2], 2)
    """

    vectors: Mapping[int, Tensor]
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.vectors:
            raise ValueError("no vectors to insert: give those of at least one layer")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share}: a number from 0 to 1 is needed")

    @property
    def first(self) -> int:
        """The layer before which they join the sequence."""
        return min(self.vectors)

    @property
    def later(self) -> dict[int, Tensor]:
        """Those of the layers above."""
        return {layer: vectors for layer, vectors in self.vectors.items() if layer != self.first}

    @property
    def count(self) -> int:
        """K, vectors of a layer."""
        return len(self.vectors[self.first])

    def require(self, layers: int, width: int, tower: str) -> None:
        """Refuse what doesn't fit a tower.

        Raises:
            ValueError: for a layer that isn't there, or another shape; the message names it.
        """
        for layer, vectors in sorted(self.vectors.items()):
            if not 0 <= layer < layers:
                raise ValueError(f"inserted vectors of layer {layer}: the {tower} tower has layers 0 to {layers - 1}")
            if not self.count or tuple(vectors.shape) != (self.count, width):
                raise ValueError(
                    f"inserted vectors of layer {layer} have shape {tuple(vectors.shape)}: (K, {width}) is needed, "
                    "with one K >= 1 for all layers"
                )

"""Low-rank updates that train beside the attention products of frozen towers, as LoRA has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from promptlab.clip.adapters import BlockAdapter

Product = Literal["q", "k", "v", "o"]
"""A product of attention: that of queries, keys, values, or the one behind them."""
Drop = Callable[[Tensor], Tensor]
"""What a branch sees of its input."""


class LowRank(nn.Module):
    """An update ``alpha / sqrt(rank) * B A`` of a square matrix.

    Args:
        width: W, of the matrix.
        rank: r.
        alpha: numerator of what multiplies them.
        generator: source of A's start; B starts at zero.

    Example:
        >>> update = LowRank(64, 2, 1.0, torch.Generator())
        >>> int(update.branch(lambda x: x)(torch.ones(3, 64)).count_nonzero())
        0
    """

    def __init__(self, width: int, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.A = nn.Parameter(torch.empty(rank, width).uniform_(-bound, bound, generator=generator))
        self.B = nn.Parameter(torch.zeros(width, rank))
        self.scale = alpha / math.sqrt(rank)

    def branch(self, drop: Drop) -> Callable[[Tensor], Tensor]:
        """Input (..., W) to what is added to the product, (..., W)."""
        return lambda x: self.scale * (drop(x) @ self.A.T @ self.B.T)


class LowRankUpdates(nn.ModuleDict):
    """A :class:`LowRank` for products of layers of towers, whose parameters are ``TOWER.LAYER.PRODUCT.A`` and ``.B``.

    Args:
        towers: ``text``, ``vision`` or both, each with its layers (0-based) that are updated, and its width.
        params: the products.
        rank: r.
        alpha: as of :class:`LowRank`.
        generator: source of the start, tower by tower, layer by layer.

    Example:
        >>> updates = LowRankUpdates({"text": ([0, 2], 64)}, ["q", "v"], 2, 1.0, torch.Generator())
        >>> sorted(updates.adapters("text")), updates.adapters("vision"), updates["text"]["2"]["v"].B.shape
        ([0, 2], {}, torch.Size([64, 2]))
    """

    def __init__(
        self,
        towers: Mapping[str, tuple[Iterable[int], int]],
        params: Sequence[Product],
        rank: int,
        alpha: float,
        generator: torch.Generator,
    ) -> None:
        def updates(width: int) -> nn.ModuleDict:
            return nn.ModuleDict({part: LowRank(width, rank, alpha, generator) for part in params})

        super().__init__(
            {
                tower: nn.ModuleDict({str(i): updates(width) for i in layers})
                for tower, (layers, width) in towers.items()
            }
        )

    def adapters(self, tower: str, drop: Drop | None = None) -> dict[int, BlockAdapter]:
        """Of the layers of a tower; none of one without updates.

        Args:
            tower: ``text`` or ``vision``.
            drop: what a training step does to the branches' inputs; nothing if None.
        """
        if tower not in self:
            return {}
        layers: Any = self[tower]
        return {
            int(i): BlockAdapter(**{part: update.branch(drop or _everything) for part, update in parts.items()})
            for i, parts in layers.items()
        }


def dropping(share: float, generator: torch.Generator | None, device: torch.device) -> Drop | None:
    """Dropout of a step's own; None where nothing is dropped.

    Args:
        share: of an input that is left out.
        generator: a batch's, on the CPU; without one nothing is dropped. The draw is made on the device, from a number
            of the generator's.
        device: where the inputs are.

    Example:
        >>> drop = dropping(0.5, torch.Generator().manual_seed(0), torch.device("cpu"))
        >>> set(drop(torch.ones(40)).tolist()), dropping(0.0, torch.Generator(), torch.device("cpu"))
        ({0.0, 2.0}, None)
    """
    if generator is None or not share:
        return None
    own = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))

    def drop(x: Tensor) -> Tensor:
        kept = torch.rand(x.shape, generator=own, device=x.device) >= share
        return x * kept / (1 - share)

    return drop


def _everything(x: Tensor) -> Tensor:
    return x

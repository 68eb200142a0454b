"""What of a prompt's way through the text tower differs from the frozen one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptlab.clip.adapters import UNCHANGED, Adapters, BlockAdapter
from promptlab.clip.text.tower import DeepPrompts


@dataclass(frozen=True)
class Edits:
    """The arguments of :meth:`TextTower.encode` that name layers.

    Args:
        deep: replacements before given layers.
        share: of a replacement in what then stands there.
        hidden: the layer that is entered first, with hidden states, which have their positions; None for embeddings.
        adapters: what blocks get added.
    """

    deep: DeepPrompts
    share: float
    hidden: int | None
    adapters: Adapters

    @property
    def start(self) -> int:
        """The layer that is entered first."""
        return self.hidden or 0

    @property
    def most_prefixes(self) -> int:
        """Prefixes that the replacements tell apart; 1 if they are the same for all."""
        return max((len(vectors) for vectors in self.deep.values()), default=1)

    def of_block(self, layer: int) -> BlockAdapter:
        """What the block of a layer gets added."""
        return self.adapters.get(layer, UNCHANGED)

    def part(self, start: int, stop: int) -> Edits:
        """The same for some of the prefixes."""
        deep = {layer: vectors if len(vectors) == 1 else vectors[start:stop] for layer, vectors in self.deep.items()}
        return replace(self, deep=deep)

    def train(self, *tensors: Tensor) -> bool:
        """Whether anything is to be trained through these tensors, the replacements or what is added."""
        own: Mapping[int, Tensor] = self.deep
        asked = any(tensor.requires_grad for tensor in (*tensors, *own.values()))
        return torch.is_grad_enabled() and (asked or bool(self.adapters))

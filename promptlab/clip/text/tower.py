"""What prompts and measurements may use of a text tower: the protocol that every tower keeps.

A prompt is a prefix and a tail. Prefixes may be shared by many tails, so a tower may work on them once; which pairs of
the two are wanted says a plan (:mod:`promptlab.clip.text.pairs`). Learners don't see any of this: they go through
:mod:`promptlab.prompts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from promptlab.clip.adapters import Adapters
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged

DeepPrompts = Mapping[int, Tensor]
"""Before layer i (0-based), the last M positions of every prefix are replaced by these (P or 1, M, E) vectors.

With one prefix for all tails and P of them here, the prefix runs once up to the first such layer.
"""


@dataclass(frozen=True)
class PrefixStates:
    """Prefixes that a tower has worked on: all that their tails need of them.

    Args:
        tensors: what that is, each with a row per token of all prefixes; known to the tower alone.
        lengths: tokens of each prefix.
    """

    tensors: tuple[Tensor, ...]
    lengths: tuple[int, ...]


class TextTower(Protocol):
    """A frozen text encoder, driven by token embeddings instead of token ids."""

    @property
    def width(self) -> int:
        """E, width of a token embedding."""
        ...

    @property
    def dim(self) -> int:
        """D, width of a text feature."""
        ...

    @property
    def layers(self) -> int:
        """Layers that :data:`DeepPrompts` may name."""
        ...

    @property
    def blocks(self) -> Sequence[Any]:
        """The modules of these layers, frozen."""
        ...

    @property
    def context_length(self) -> int:
        """Longest prompt in tokens."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        ...

    @property
    def token_table(self) -> Tensor:
        """Embeddings of the whole vocabulary, a row (E,) per token."""
        ...

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Token embeddings (L, E) of token ids, fp32, without gradient."""
        ...

    def prefix_states(self, prefixes: Ragged) -> PrefixStates:
        """Work on prefixes ahead.

        Args:
            prefixes: token embeddings without positions.
        """
        ...

    def encode(
        self,
        prefixes: Ragged | PrefixStates,
        tails: Ragged,
        pairs: Tensor | PairPlan,
        *,
        deep: DeepPrompts | None = None,
        queries: Tensor | None = None,
        normalised: bool = True,
        share: float = 1.0,
        start: int | None = None,
        adapters: Adapters | None = None,
    ) -> Tensor:
        """Text features of prompts made of a prefix and a tail.

        Args:
            prefixes: P prefixes as token embeddings, or their states where they are constant.
            tails: token embeddings up to and including EOT.
            pairs: (N, 2) indices (prefix, tail), or a plan kept from an earlier call.
            deep: see :data:`DeepPrompts`.
            queries: (P, D) normalised vectors, one per prefix. Given, features are turned into cosine similarities
                on the way, so that (N, D) is never held.
            normalised: False for features of the length that the tower gives them; similarities are then dot products.
            share: of ``deep`` vectors in what then stands in their places; the rest is what stood there.
            start: the layer that is entered first, with prefixes and tails as hidden states before it; None for
                embeddings without positions.
            adapters: what blocks get added; prefixes are then token embeddings, nothing that was worked on is used.

        Returns:
            (N, D) features, or (N,) similarities, fp32.
        """
        ...

    def hidden_states(self, prefixes: Ragged, tails: Ragged, pairs: PairPlan, layer: int) -> tuple[Ragged, Ragged]:
        """What stands before a layer, without gradient: of the prefixes, and of the tail of each pair.

        Args:
            prefixes: P prefixes as token embeddings.
            tails: token embeddings.
            pairs: the plan of N pairs.
            layer: 0-based.
        """
        ...

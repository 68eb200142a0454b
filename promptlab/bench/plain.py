"""A backbone that works as the research code does, under which every learner of promptlab can be put as it is.

Its text tower encodes each prompt whole, at full context length and with padding, through the model's own blocks; where
every image has prompts of its own it loops over images; nothing is kept from one call to the next but token embeddings.
Its image tower is the model's own. So a learner over it and the same learner over the exact towers differ in these
alone. Nothing here is used outside of measurements and tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.adapters import UNCHANGED, Adapters, BlockAdapter, adapted_mlp, at_end, normed, with_branch
from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.memory import DEFAULT_MB
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import DeepPrompts, PrefixStates
from promptlab.clip.tokens import Tokens
from promptlab.support.arrays import IntArray


class PlainTower(CausalTower):
    """All tokens of the context length through all layers, in every call.

    Args:
        model: an open_clip model with a causal text tower.
        tokens: its tokenizer.
    """

    def __init__(self, model: nn.Module, tokens: Tokens) -> None:
        super().__init__(model, tokens, DEFAULT_MB)
        self._padding = self.embed([0])

    def prefix_states(self, prefixes: Ragged) -> PrefixStates:
        """Token embeddings: nothing is worked on ahead."""
        return PrefixStates((prefixes.rows,), prefixes.lengths)

    def hidden_states(self, prefixes: Ragged, tails: Ragged, pairs: PairPlan, layer: int) -> tuple[Ragged, Ragged]:
        """Token embeddings too; :meth:`encode` runs the layers below ``start`` whenever it is called."""
        rows = torch.split(tails.rows, list(tails.lengths))
        return prefixes, Ragged.pack([rows[tail] for tail in pairs.pairs[:, 1]])

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
        """As :meth:`CausalTower.encode`; of prefixes with several tails each, one after the other."""
        rows = prefixes.tensors[0] if isinstance(prefixes, PrefixStates) else prefixes.rows
        all_pairs = pairs.pairs if isinstance(pairs, PairPlan) else np.asarray(pairs.cpu())
        answers = []
        for own in _image_by_image(all_pairs):
            x, ends = self._embedded(rows, prefixes.lengths, tails, own, 1 if start else None)
            of_prefix = torch.from_numpy(own[:, 0]).to(self.device)
            replaced = {i: v[of_prefix] if len(v) > 1 else v.expand(len(x), -1, -1) for i, v in (deep or {}).items()}
            joining = (start, rows[1:].expand(len(x), -1, -1)) if start else None
            x = self._layers(x, replaced, share, joining, adapters or {})
            x = at_end(self.ln_final, (adapters or {}).get(self.layers - 1, UNCHANGED).ln_post, x)
            features = self._read(x, ends, joining)
            features = F.normalize(features, dim=-1) if normalised else features
            answers.append(features if queries is None else (features * queries[of_prefix]).sum(-1))
        return torch.cat(answers)

    def _embedded(
        self, rows: Tensor, lengths: Sequence[int], tails: Ragged, pairs: IntArray, prefix_length: int | None
    ) -> tuple[Tensor, Tensor]:
        """Prompts (N, L, E) with padding and positions, and where each has its EOT (N,)."""
        index, ends = _layout(pairs, lengths, tails.lengths, self.context_length, prefix_length)
        source = torch.cat([rows, tails.rows, self._padding])
        flat = source.index_select(0, torch.from_numpy(index.ravel()).to(self.device))
        x = flat.view(*index.shape, -1) + self.positions
        return x.to(self.dtype), torch.from_numpy(ends).to(self.device)

    def _layers(
        self, x: Tensor, deep: DeepPrompts, share: float, joining: tuple[int, Tensor] | None, adapters: Adapters
    ) -> Tensor:
        mask = _causal(x)
        for i, block in enumerate(self.blocks):
            if joining and i == joining[0]:
                x = torch.cat([x[:, :1], joining[1].to(x.dtype), x[:, 1:]], dim=1)
                mask = _causal(x)
            if i in deep:
                behind = 1 + deep[i].shape[1]
                own = deep[i].to(x.dtype) if share == 1 else share * deep[i] + (1 - share) * x[:, 1:behind]
                x = torch.cat([x[:, :1], own, x[:, behind:]], dim=1)
            x = _adapted(block, x, adapters.get(i, UNCHANGED), mask) if adapters else block(x, attn_mask=mask)
        return x

    def _read(self, x: Tensor, ends: Tensor, joining: tuple[int, Tensor] | None) -> Tensor:
        """(N, D) of tokens (N, L, E) behind the last layer norm."""
        places = ends + joining[1].shape[1] if joining else ends
        x = x[torch.arange(len(x), device=x.device), places]
        if isinstance(self.projection, nn.Module):
            return torch.as_tensor(self.projection(x)).float()
        return (x if self.projection is None else x @ self.projection).float()


class PlainCLIP(FrozenCLIP):
    """A backbone's model behind plain towers.

    Args:
        clip: the backbone; its model is shared.
    """

    def __init__(self, clip: FrozenCLIP) -> None:
        super().__init__(
            clip.model, clip.tokenizer, clip.preprocess, clip.name, precision=clip.precision, source=clip.source
        )
        self.text_tower = PlainTower(clip.model, clip.tokens)

    def _frozen_pass(self, images: Tensor) -> None:
        """The model's own method encodes images."""

    def image_states(self, images: Tensor, layer: int) -> Tensor:
        """The images: no work is shared between two passes."""
        return images

    def encode_image_states(self, states: Tensor, layer: int, *, normalised: bool = True) -> Tensor:
        """The plain features of images."""
        with torch.no_grad():
            return self.encode_images(states, normalised=normalised)


def _image_by_image(pairs: IntArray) -> Iterator[IntArray]:
    """All pairs at once, unless several prefixes have several tails each: then those of one prefix at a time."""
    prefixes, counts = np.unique(pairs[:, 0], return_counts=True)
    if len(prefixes) == 1 or counts.max() == 1:
        yield pairs
    else:
        yield from np.split(pairs, np.flatnonzero(np.diff(pairs[:, 0])) + 1)


def _layout(
    pairs: IntArray, prefixes: Sequence[int], tails: Sequence[int], length: int, prefix_length: int | None
) -> tuple[IntArray, IntArray]:
    """Where each token (N, L) comes from: a row of the prefixes, behind them of the tails, or last of the padding.

    Args:
        pairs: (N, 2).
        prefixes: their lengths; one may stand for all.
        tails: their lengths.
        length: L.
        prefix_length: how much of a prefix is taken; all of it if None.
    """
    prefix_starts, tail_starts = np.cumsum((0, *prefixes)), np.cumsum((0, *tails)) + sum(prefixes)
    index = np.full((len(pairs), length), tail_starts[-1])
    ends = np.empty(len(pairs), dtype=np.int64)
    for row, (prefix, tail) in enumerate(pairs):
        own = prefix if len(prefixes) > 1 else 0
        before = prefix_length or prefixes[own]
        behind = before + tails[tail]
        index[row, :before] = np.arange(before) + prefix_starts[own]
        index[row, before:behind] = np.arange(tails[tail]) + tail_starts[tail]
        ends[row] = behind - 1
    return index, ends


def _causal(x: Tensor) -> Tensor:
    """The mask (L, L) of tokens (N, L, E)."""
    length = x.shape[1]
    return torch.full((length, length), -torch.inf, dtype=x.dtype, device=x.device).triu(1)


def _adapted(block: Any, x: Tensor, adapter: BlockAdapter, mask: Tensor) -> Tensor:
    """A block of CLIP's own on tokens (N, L, E), each product with its branch."""
    attention, given = block.attn, normed(block.ln_1, adapter.ln_1, x)
    N, L, E = x.shape
    products = F.linear(given, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
    q, k, v = (
        with_branch(product, branch, given).view(N, L, attention.num_heads, -1).transpose(1, 2)
        for product, branch in zip(products, (adapter.q, adapter.k, adapter.v), strict=True)
    )
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(N, L, E)
    x = x + block.ls_1(with_branch(attention.out_proj(attended), adapter.o, attended))
    changed: Tensor = x + block.ls_2(adapted_mlp(block, normed(block.ln_2, adapter.ln_2, x), adapter))
    return changed

"""Attention of packed tokens, block by block of equal shape, and the MLP's activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.text.pairs import Block


def attend(q: Tensor, k: Tensor, v: Tensor, prefixes: Sequence[Tensor], blocks: Sequence[Block], heads: int) -> Tensor:
    """Tail tokens attend to their prefix and, causally, to their own tail; both meet in one softmax.

    Args:
        q: (T, E) scaled queries of all tokens, or (N, E) of the last token of each pair.
        k: (T, E) keys of the tail tokens.
        v: (T, E) values of the tail tokens.
        prefixes: per block (P * Lp, 2E) keys and values of its prefixes.
        blocks: the chunk's blocks, in the order of the tokens.
        heads: attention heads.

    Returns:
        Attended values, the shape of ``q``.
    """
    sizes = [block.pairs * block.tail_length for block in blocks]
    last_only = len(q) != len(k)
    queries = torch.split(q, [block.pairs for block in blocks] if last_only else sizes)
    parts = zip(blocks, queries, torch.split(k, sizes), torch.split(v, sizes), prefixes, strict=True)
    return torch.cat([_attend_block(*part, heads) for part in parts])


def _attend_block(block: Block, q: Tensor, k: Tensor, v: Tensor, prefix: Tensor, heads: int) -> Tensor:
    P, n = block.tails.shape
    E, L = k.shape[-1], block.tail_length
    Lq = len(q) // (P * n)

    def by_head(tokens: Tensor, length: int) -> Tensor:
        return tokens.view(P, n, length, heads, -1).permute(0, 3, 1, 2, 4)  # (P, H, n, length, E/H)

    q = by_head(q, Lq).contiguous()
    prefix_k, prefix_v = prefix.view(P, block.prefix_length, 2, heads, E // heads).permute(
        2, 0, 3, 1, 4
    )  # each (P, H, Lp, E/H)
    to_prefix = q.flatten(2, 3) @ prefix_k.transpose(-1, -2)  # (P, H, n * Lq, Lp)
    to_tail = q @ by_head(k, L).transpose(-1, -2)  # (P, H, n, Lq, L)
    if Lq > 1:
        to_tail = to_tail + _causal_mask(L, q)
    Lp = prefix_k.shape[2]
    weights = torch.cat([to_prefix.view(P, heads, n, Lq, Lp), to_tail], dim=-1).softmax(-1)
    from_prefix, from_tail = torch.split(weights, [Lp, L], dim=-1)
    out: Tensor = (from_prefix.reshape(P, heads, n * Lq, Lp) @ prefix_v).view(P, heads, n, Lq, -1)
    out = out + from_tail @ by_head(v, L)
    return out.permute(0, 2, 3, 1, 4).reshape(-1, E)  # packed again: (P * n * Lq, E)


def attend_causally(q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block], heads: int) -> Tensor:
    """Sequences that have nothing before them: (T, E) each, one block per length."""
    sizes = [block.pairs * block.tail_length for block in blocks]
    attended = []
    for block, *qkv in zip(blocks, *(torch.split(tokens, sizes) for tokens in (q, k, v)), strict=True):
        shape = (block.pairs, block.tail_length, heads, q.shape[1] // heads)
        query, key, value = (tokens.view(shape).transpose(1, 2) for tokens in qkv)  # (S, H, L, E/H)
        out = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
        attended.append(out.transpose(1, 2).reshape(-1, q.shape[1]))
    return torch.cat(attended)


def _causal_mask(length: int, like: Tensor) -> Tensor:
    return torch.full((length, length), float("-inf"), dtype=like.dtype, device=like.device).triu(1)


def activation(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """A form of an MLP's activation that keeps one tensor for the backward pass; QuickGELU itself keeps two."""
    return quick_gelu if type(module).__name__ == "QuickGELU" else module


def quick_gelu(x: Tensor) -> Tensor:
    """Compute x * sigmoid(1.702 x); overwrites ``x``, the output of a linear layer."""
    y: Tensor = _QuickGELU.apply(x)
    return y


class _QuickGELU(torch.autograd.Function):
    """SiLU(1.702 x) / 1.702, whose derivative is SiLU's at 1.702 x: the backward pass goes over its numbers once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.mul_(1.702)
        ctx.save_for_backward(x)
        return F.silu(x).mul_(1 / 1.702)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = torch.ops.aten.silu_backward(gradients[0], x)
        return gradient

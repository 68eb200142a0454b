"""The parts of a text block over packed tokens, around its attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.adapters import BlockAdapter, normed, with_branch


def queries_keys_values(
    block: Any, x: Tensor, adapter: BlockAdapter, queries: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (scaled), keys and values of packed tokens, each (T, E); queries of some rows alone if given."""
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    width = weight.shape[1]
    scale = (width // block.attn.num_heads) ** -0.5
    x = normed(block.ln_1, adapter.ln_1, x)
    asking = x
    if queries is None:
        q, k, v = torch.split(F.linear(x, weight, bias), width, dim=1)
    else:
        k, v = torch.split(F.linear(x, weight[width:], bias[width:]), width, dim=1)
        asking = x[queries]
        q = F.linear(asking, weight[:width], bias[:width])
    q, k, v = with_branch(q, adapter.q, asking), with_branch(k, adapter.k, x), with_branch(v, adapter.v, x)
    return q * scale, k, v


def finish(
    block: Any, x: Tensor, attended: Tensor, adapter: BlockAdapter, activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """What follows attention in a block."""
    x = _residual(x, block.ls_1(with_branch(block.attn.out_proj(attended), adapter.o, attended)))
    given = normed(block.ln_2, adapter.ln_2, x)
    hidden = activation(with_branch(block.mlp[0](given), adapter.fc, given))
    return _residual(x, block.ls_2(with_branch(block.mlp[2](hidden), adapter.proj, hidden)))


def replace_context(x: Tensor, context: Tensor, count: int, share: float) -> Tensor:
    """The last M of each of ``count`` prefixes (P * Lp, E) become ``context`` (P or 1, M, E), or a share of it."""
    grid = x.view(count, -1, x.shape[-1])
    M = context.shape[1]
    context = context.expand(count, -1, -1)
    if share != 1:
        context = share * context + (1 - share) * grid[:, -M:]
    return torch.cat([grid[:, :-M], context], dim=1).view_as(x)


def _residual(x: Tensor, change: Tensor) -> Tensor:
    """Add, into ``change`` where autograd needs neither (under autocast the types differ)."""
    return change.add_(x) if change.dtype == x.dtype else x + change

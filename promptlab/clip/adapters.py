"""What a learner adds inside the blocks of a frozen tower, whose weights keep their bytes.

A block's products can get a branch beside them, its two layer norms other weights, and so can those in front of all
blocks and behind them. Nothing of this is kept by a tower between two calls, so what changed in a step is what the next
one computes with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Branch = Callable[[Tensor], Tensor]
"""The input of a product, fp32 (..., W), to what is added to its output, (..., W)."""


@dataclass(frozen=True)
class BlockAdapter:
    """What is added to one block.

    Branches see the tokens of a text tower packed, (T, E), a prefix that several prompts share once, and those of an
    image tower as (B, L, V).

    Args:
        q: beside the product that makes queries; its input is the first layer norm's output.
        k: beside that of keys.
        v: beside that of values.
        o: beside the product that follows attention.
        ln_1: weight and bias (W,) in place of those of the layer norm before attention.
        ln_2: weight and bias (W,) in place of those of the layer norm before the MLP.
        fc: beside the MLP's first product; its input is the second layer norm's output.
        proj: beside the MLP's second product; its input is what the activation gives.
        ln_pre: of an image tower's first block, weight and bias of the layer norm in front of all blocks.
        ln_post: of the last block, weight and bias of the layer norm behind all blocks.

    Example:
        >>> import torch
        >>> down, up = torch.nn.Linear(64, 2, bias=False), torch.nn.Linear(2, 64, bias=False)
        >>> BlockAdapter(q=lambda x: up(down(x))).q(torch.zeros(5, 64)).shape
        torch.Size([5, 64])
    """

    q: Branch | None = None
    k: Branch | None = None
    v: Branch | None = None
    o: Branch | None = None
    ln_1: tuple[Tensor, Tensor] | None = None
    ln_2: tuple[Tensor, Tensor] | None = None
    fc: Branch | None = None
    proj: Branch | None = None
    ln_pre: tuple[Tensor, Tensor] | None = None
    ln_post: tuple[Tensor, Tensor] | None = None


Adapters = Mapping[int, BlockAdapter]
"""Layer (0-based) to what is added there."""
UNCHANGED = BlockAdapter()


def require_layers(adapters: Adapters, layers: int, tower: str) -> None:
    """Refuse adapters of layers that a tower hasn't got, and norms around the blocks elsewhere than at the ends.

    Raises:
        ValueError: naming the layer.
    """
    beyond = [layer for layer in sorted(adapters) if not 0 <= layer < layers]
    if beyond:
        raise ValueError(f"adapters of layer {beyond[0]}: the {tower} tower has layers 0 to {layers - 1}")
    for layer, adapter in adapters.items():
        if adapter.ln_pre is not None and (layer or tower == "text"):
            raise ValueError(f"adapter of layer {layer} has an ln_pre: only layer 0 of an image tower has one")
        if adapter.ln_post is not None and layer != layers - 1:
            raise ValueError(f"adapter of layer {layer} has an ln_post: only the last layer, {layers - 1}, has one")


def with_branch(product: Tensor, branch: Branch | None, given: Tensor) -> Tensor:
    """A product, and what a branch makes of the same input."""
    return product if branch is None else product + branch(given.float()).to(product.dtype)


def normed(norm: Any, own: tuple[Tensor, Tensor] | None, x: Tensor) -> Tensor:
    """A layer norm's output, by its own weight and bias or by others; fp32 within, whatever the tokens are."""
    if own is None and x.device.type == "cpu" and x.dtype == torch.bfloat16 and norm.weight.dtype == torch.float32:
        return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)  # casts on the way, not before
    if own is None:
        unchanged: Tensor = norm(x)
        return unchanged
    return F.layer_norm(x.float(), norm.normalized_shape, *own, norm.eps).to(x.dtype)


def at_end(norm: Any, own: tuple[Tensor, Tensor] | None, x: Tensor) -> Tensor:
    """The output of a layer norm in front of all blocks or behind them, as the tower has it or by others."""
    plain: Tensor = norm(x) if own is None else normed(norm, own, x)
    return plain


def adapted(block: Any, x: Tensor, adapter: BlockAdapter, mask: Tensor | None = None) -> Tensor:
    """A block of CLIP's own on tokens (B, L, V), with what is added to it; a mask is (L, L) or (B * H, L, L)."""
    x = x + block.ls_1(_attention(block.attn, normed(block.ln_1, adapter.ln_1, x), adapter, mask))
    changed: Tensor = x + block.ls_2(adapted_mlp(block, normed(block.ln_2, adapter.ln_2, x), adapter))
    return changed


def adapted_mlp(block: Any, x: Tensor, adapter: BlockAdapter) -> Tensor:
    """A block's MLP on (..., W), each product with its branch."""
    fc, activation, proj = block.mlp
    hidden = activation(with_branch(fc(x), adapter.fc, x))
    return with_branch(proj(hidden), adapter.proj, hidden)


def _attention(attention: nn.MultiheadAttention, x: Tensor, adapter: BlockAdapter, mask: Tensor | None) -> Tensor:
    B, L, V = x.shape
    products = F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
    branches = (adapter.q, adapter.k, adapter.v)
    q, k, v = (
        with_branch(product, branch, x).view(B, L, attention.num_heads, -1).transpose(1, 2)  # (B, H, L, V/H)
        for product, branch in zip(products, branches, strict=True)
    )
    mask = mask if mask is None or mask.ndim == 2 else mask.view(B, attention.num_heads, L, L)
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(B, L, V)
    return with_branch(attention.out_proj(attended), adapter.o, attended)


def copied_norms(blocks: Iterable[Any]) -> nn.ModuleList:
    """Copies of the two layer norms of each block, ``ln_1`` and ``ln_2``, fp32 and trainable.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> norms = copied_norms(clip.text_blocks)
        >>> len(norms) == clip.text_layers, norms[0]["ln_1"].weight.requires_grad
        (True, True)
    """
    return nn.ModuleList(
        nn.ModuleDict({name: copy.deepcopy(getattr(block, name)).float().requires_grad_() for name in ("ln_1", "ln_2")})
        for block in blocks
    )

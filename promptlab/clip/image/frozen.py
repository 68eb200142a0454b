"""The frozen pass of a plain vision transformer: what open_clip's computes, without the work that can't change it.

(a) The answer is read at the class token, so the last layer asks, and runs its MLP, for that token alone. (b) The bias
of keys shifts all scores of a query alike, which softmax doesn't see; that of values reaches the output as it is, so
it joins the bias behind attention. (c) QuickGELU, x * sigmoid(1.702 x), is SiLU of 1.702 x over 1.702, whose factors
go into the layer norm before and the product after it. (d) Scores are never held, what is as wide as the MLP is written
into the same memory in every layer, and nothing of autograd runs.

Images go through in chunks of one size, the last filled up with blanks: products of other shapes may round otherwise,
and a feature must not depend on the images beside it. The result equals open_clip's to rounding, so features that a
bank has of open_clip's own pass stay valid beside new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from open_clip.transformer import LayerNorm, LayerNormFp32, QuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.guards import UnsupportedBackboneError, odd_block
from promptlab.clip.image.tower import ImageTower

ROWS = 800
"""Tokens of a chunk: enough for products to run at their rate, few enough for what lies between to stay in caches."""
_QUICK = 1.702
_Norm = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Layer:
    """The frozen numbers of a block as the pass reads them; matrices are views of the model's own, (in, out)."""

    norm_1: _Norm
    qkv: Tensor  # (V, 3V)
    q_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm_2: _Norm
    fc: Tensor
    fc_bias: Tensor
    activation: _Norm
    proj: Tensor
    proj_bias: Tensor
    share: float  # of the last product in what is added


class FrozenPass:
    """The frozen forward pass of a plain vision transformer, on a CPU.

    Args:
        tower: the image tower.

    Raises:
        UnsupportedBackboneError: if its blocks aren't CLIP's own; with every reason.
    """

    def __init__(self, tower: ImageTower) -> None:
        reasons = list(_reasons(tower))
        if reasons:
            raise UnsupportedBackboneError(f"{tower.name} has no plain image tower: {'; '.join(reasons)}")
        self.tower = tower
        self.heads = int(tower.blocks[0].attn.num_heads)
        self.dtype: torch.dtype = tower.blocks[0].mlp.c_fc.weight.dtype
        with torch.no_grad():
            self._layers = [_layer_of(block) for block in tower.blocks]

    def __reduce__(self) -> tuple[type[FrozenPass], tuple[ImageTower]]:
        """Pickled and copied by its tower alone, whose numbers the layers are views of."""
        return type(self), (self.tower,)

    @classmethod
    def of(cls, model: nn.Module, name: str) -> FrozenPass | None:
        """That of a model's image tower; None where it isn't plain, and the model's own has to run."""
        try:
            return cls(ImageTower(model, name))
        except UnsupportedBackboneError:
            return None

    @property
    def at_once(self) -> int:
        """Images of a chunk."""
        return max(1, ROWS // self.tower.tokens_of_image)

    def encode(self, images: Tensor) -> Tensor:
        """Features (B, D) of images (B, 3, H, W) in the tower's dtype, not normalised."""
        return self._by_chunks(images, lambda pooled: self.tower.project(pooled))

    def before_projection(self, images: Tensor) -> Tensor:
        """The class token (B, V) behind the last layer norm."""
        return self._by_chunks(images, lambda pooled: pooled)

    @torch.no_grad()
    def _by_chunks(self, images: Tensor, read_out: Callable[[Tensor], Tensor]) -> Tensor:
        rows = self.at_once * self.tower.tokens_of_image
        scratch = [images.new_empty(rows, width) for width in (3 * self.tower.width, self._layers[0].fc.shape[1])]
        features = []
        for part in torch.split(images, self.at_once):
            blanks = part.new_zeros(self.at_once - len(part), *part.shape[1:])
            tokens = self._class_token(torch.cat([part, blanks]) if len(blanks) else part, *scratch)
            features.append(read_out(self.tower.visual.ln_post(tokens))[: len(part)])
        return torch.cat(features)

    def _class_token(self, images: Tensor, qkv: Tensor, hidden: Tensor) -> Tensor:
        """What the last layer makes of the class token: (B, V)."""
        x = self.tower.states(images, 0)  # (B, L, V)
        B, L, V = x.shape
        x = x.flatten(0, 1)
        *layers, last = self._layers
        for layer in layers:
            torch.mm(layer.norm_1(x), layer.qkv, out=qkv)
            qkv[:, :V] += layer.q_bias
            q, k, v = self._by_head(qkv, B)
            x = _finished(layer, x, self._attended(q, k, v), hidden)
        normed = last.norm_1(x)
        k, v = self._by_head(torch.mm(normed, last.qkv[:, V:]), B)
        (q,) = self._by_head(torch.addmm(last.q_bias, normed[::L], last.qkv[:, :V]), B)  # the class tokens'
        return _finished(last, x[::L].clone(), self._attended(q, k, v), hidden[:B])

    def _by_head(self, rows: Tensor, count: int) -> Iterator[Tensor]:
        """Each V wide part of rows (B * L, n * V) as (B, H, L, V/H)."""
        V = self.tower.width
        return iter(rows.view(count, -1, rows.shape[1] // V, self.heads, V // self.heads).permute(2, 0, 3, 1, 4))

    def _attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, self.tower.width)


def _finished(layer: _Layer, x: Tensor, attended: Tensor, hidden: Tensor) -> Tensor:
    """What follows attention in a block, into ``x``; ``hidden`` is overwritten."""
    x.add_(torch.addmm(layer.out_bias, attended, layer.out))
    torch.addmm(layer.fc_bias, layer.norm_2(x), layer.fc, out=hidden)
    return x.add_(torch.addmm(layer.proj_bias, layer.activation(hidden), layer.proj, alpha=layer.share))


def _layer_of(block: Any) -> _Layer:
    attention, fc, proj = block.attn, block.mlp.c_fc, block.mlp.c_proj
    q_bias, _, v_bias = attention.in_proj_bias.chunk(3)
    out = attention.out_proj
    quick = type(block.mlp.gelu) is QuickGELU
    scale = _QUICK if quick else 1.0
    return _Layer(
        norm_1=_norm(block.ln_1, 1.0),
        qkv=attention.in_proj_weight.T,
        q_bias=q_bias,
        out=out.weight.T,
        out_bias=(out.bias.float() + out.weight.float() @ v_bias.float()).to(out.bias.dtype),
        norm_2=_norm(block.ln_2, scale),
        fc=fc.weight.T,
        fc_bias=(scale * fc.bias.float()).to(fc.bias.dtype),
        activation=partial(F.silu, inplace=True) if quick else block.mlp.gelu,
        proj=proj.weight.T,
        proj_bias=proj.bias,
        share=1 / scale,
    )


def _norm(norm: nn.LayerNorm, scale: float) -> _Norm:
    """A layer norm whose output is scaled; statistics and weights are fp32, also of tokens in bf16."""
    shape, eps = norm.normalized_shape, norm.eps
    weight, bias = scale * norm.weight.float(), scale * norm.bias.float()
    return lambda x: F.layer_norm(x, shape, weight, bias, eps)


def _reasons(tower: ImageTower) -> Iterator[str]:
    """Why the pass wouldn't compute what the model's own does, beyond what an :class:`ImageTower` asks for."""
    odd = odd_block(tower.visual.transformer)
    if odd:
        yield f"its image transformer has {odd}, where CLIP has plain ResidualAttentionBlocks"
        return
    for block in tower.blocks:
        parts = {type(part) for part in (block.ls_1, block.ls_2)} - {nn.Identity}
        parts |= {type(part) for part in (block.ln_1, block.ln_2)} - {LayerNorm, LayerNormFp32}
        parts |= {type(block.mlp.gelu)} - {QuickGELU, nn.GELU}
        if parts:
            yield f"its blocks have {', '.join(sorted(part.__name__ for part in parts))}"
            return
    dtypes = {parameter.dtype for parameter in tower.visual.parameters() if parameter.ndim > 1 and parameter.numel()}
    if not dtypes <= {torch.float32, torch.bfloat16}:
        yield f"its weights are {', '.join(sorted(map(str, dtypes)))}"

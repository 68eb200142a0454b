"""Which open_clip models the exact causal text tower can drive.

That tower (:mod:`promptlab.clip.text.causal`) rests on three facts: attention is causal, the feature is read at the
end-of-text token, and each block is CLIP's own. A model for which one of them doesn't hold would give numbers that look
right and aren't, so another tower drives it (:mod:`promptlab.clip.towers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from promptlab.support.errors import PromptlabError

EOT_POOLING = ("argmax", "eos")
"""Ways to pool that read the end-of-text token."""

_TOWER_PARTS = ("transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection", "attn_mask")


class UnsupportedBackboneError(PromptlabError, ValueError):
    """The model's text or image tower can't take prompt vectors."""


def missing_parts(model: nn.Module) -> list[str]:
    """What a model lacks of open_clip's own text tower, on it (``CLIP``) or under ``text`` (``CustomTextCLIP``)."""
    tower = getattr(model, "text", model)
    return [part for part in _TOWER_PARTS if not hasattr(tower, part)]


def why_not_causal(model: nn.Module) -> list[str]:
    """Why the exact causal tower can't drive a model that has open_clip's own text tower; empty if it can."""
    return list(_reasons(model))


def _reasons(model: nn.Module) -> Iterator[str]:
    tower: Any = getattr(model, "text", model)
    if getattr(tower, "cls_emb", None) is not None:
        yield "its text feature is read from an appended class token (embed_cls)"
    if not _is_causal(tower.attn_mask):
        yield "its text attention is not causal"
    pooling = tower.text_pool_type if tower is model else tower.pool_type
    if pooling not in EOT_POOLING:
        yield f"its text feature is pooled by {pooling!r}, not read at the end-of-text token ({', '.join(EOT_POOLING)})"
    odd = odd_block(tower.transformer)
    if odd:
        yield f"its text transformer has {odd}, where CLIP has plain ResidualAttentionBlocks"


def _is_causal(mask: Tensor | None) -> bool:
    """Every token sees itself and all before it, and nothing after."""
    if mask is None:
        return False
    return mask.ndim == 2 and torch.equal(mask, torch.full_like(mask, float("-inf")).triu(1))


def odd_block(transformer: Any) -> str | None:
    """What a transformer has that CLIP's hasn't, or None."""
    for block in getattr(transformer, "resblocks", ()) or [transformer]:
        if type(block) is not ResidualAttentionBlock:
            return f"a {type(block).__name__}"
        attention = block.attn
        if type(attention) is not nn.MultiheadAttention or attention.in_proj_weight is None:
            return f"attention of type {type(attention).__name__} without one in_proj_weight"
        if attention.in_proj_bias is None or attention.bias_k is not None or attention.add_zero_attn:
            return "attention with other biases"
        if not attention.batch_first:
            return "attention that isn't batch-first"
        if hasattr(block, "ln_1_kv"):
            return "cross-attention"
    return None

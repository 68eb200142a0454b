"""Which open_clip models can take prompt vectors.

The exact text tower (:mod:`promptlab.clip.text.causal`) rests on three facts: attention is causal, the feature is read
at the end-of-text token, and each block is CLIP's own. A model for which one of them doesn't hold would give numbers
that look right and aren't, so it is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from open_clip import CLIP, CustomTextCLIP
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from promptlab.support.errors import PromptlabError

EOT_POOLING = ("argmax", "eos")
"""Ways to pool that read the end-of-text token."""

_TOWER_PARTS = ("transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection", "attn_mask")
_INSTEAD = (
    "Use a CLIP with a causal text tower, such as ViT-B-16-quickgelu with openai, ViT-B-32 with laion2b_s34b_b79k, "
    "or demo"
)
_MINIATURE_VISION = {"layers": 1, "width": 64, "patch_size": 16, "image_size": 16}
_MINIATURE_TEXT = {"layers": 1, "width": 64, "heads": 1, "vocab_size": 8}


class UnsupportedBackboneError(PromptlabError, ValueError):
    """The model's text or image tower can't take prompt vectors."""


def require_promptable(model: nn.Module, name: str) -> None:
    """Refuse a model whose text tower can't take prompt vectors.

    Args:
        model: an open_clip model; the text tower's parts lie on it (``CLIP``) or under ``.text`` (``CustomTextCLIP``).
        name: what messages call it.

    Raises:
        UnsupportedBackboneError: with every reason, and what to use instead.
    """
    _refuse(name, list(_reasons(model)))


def require_promptable_config(model_cfg: Mapping[str, Any], name: str) -> None:
    """The same, from an open_clip configuration: before weights are fetched or a large model is built.

    A miniature of the configuration goes through :func:`require_promptable`, so there is one set of rules.

    Args:
        model_cfg: with ``embed_dim``, ``vision_cfg`` and ``text_cfg``, as ``open_clip.get_model_config`` gives it.
        name: what messages call it.

    Raises:
        UnsupportedBackboneError: with every reason, and what to use instead.
    """
    cfg = deepcopy(dict(model_cfg))
    if cfg["text_cfg"].get("hf_model_name"):  # building it would need transformers
        _refuse(name, [_HUGGING_FACE])
    if "multimodal_cfg" in cfg:
        _refuse(name, [_CAPTIONING])
    cfg |= {"embed_dim": 8, "vision_cfg": _MINIATURE_VISION, "text_cfg": cfg["text_cfg"] | _MINIATURE_TEXT}
    model_class = CustomTextCLIP if cfg.pop("custom_text", False) else CLIP
    with torch.random.fork_rng(devices=[]):
        require_promptable(model_class(**cfg), name)


_HUGGING_FACE = "its text encoder is a Hugging Face model, not CLIP's text transformer"
_CAPTIONING = "it is a captioning model (CoCa), whose text feature is read from an appended class token"


def _refuse(name: str, reasons: list[str]) -> None:
    if reasons:
        raise UnsupportedBackboneError(f"{name} can't take prompt vectors: {'; '.join(reasons)}. {_INSTEAD}.")


def _reasons(model: nn.Module) -> Iterator[str]:
    tower: Any = getattr(model, "text", model)
    if isinstance(tower, HFTextEncoder):
        yield _HUGGING_FACE
        return
    missing = [part for part in _TOWER_PARTS if not hasattr(tower, part)]
    if missing:
        yield f"it has no text tower as open_clip's CLIP has it (no {', '.join(missing)})"
        return
    if hasattr(model, "text_decoder"):
        yield _CAPTIONING
    elif getattr(tower, "cls_emb", None) is not None:
        yield "its text feature is read from an appended class token (embed_cls)"
    if getattr(model, "logit_bias", None) is not None:
        yield "it was trained with a sigmoid loss and scores with a logit bias (SigLIP)"
    if not _is_causal(tower.attn_mask):
        yield "its text attention is not causal"
    pooling = tower.text_pool_type if tower is model else tower.pool_type
    if pooling not in EOT_POOLING:
        yield f"its text feature is pooled by {pooling!r}, not read at the end-of-text token ({', '.join(EOT_POOLING)})"
    odd = _odd_block(tower.transformer)
    if odd:
        yield f"its text transformer has {odd}, where CLIP has plain ResidualAttentionBlocks"


def _is_causal(mask: Tensor | None) -> bool:
    """Every token sees itself and all before it, and nothing after."""
    if mask is None:
        return False
    return mask.ndim == 2 and torch.equal(mask, torch.full_like(mask, float("-inf")).triu(1))


def _odd_block(transformer: Any) -> str | None:
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

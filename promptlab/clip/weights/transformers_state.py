"""Weights and configurations of transformers' CLIPs in open_clip's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from promptlab.support.errors import PromptlabError

_ACTIVATIONS: dict[str, tuple[bool, dict[str, str]]] = {
    "quick_gelu": (True, {}),
    "gelu": (False, {}),
    "gelu_pytorch_tanh": (False, {"approximate": "tanh"}),
}
_EPSILON = 1e-5
_EOS_OF_OLD = 2  # CLIP's own configurations say 2, and mean the highest id
_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_TEXT = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "head.weight": "text_projection.weight",
    "head.bias": "text_projection.bias",
}
_VISION = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}


class ImportedModelError(PromptlabError, ValueError):
    """A model of transformers that has no equal in open_clip's words."""


def vision_config(config: Any) -> dict[str, Any]:
    """open_clip's ``vision_cfg`` of a CLIP vision configuration."""
    return {
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "head_width": config.hidden_size // config.num_attention_heads,
        "mlp_ratio": config.intermediate_size / config.hidden_size,
        "patch_size": config.patch_size,
        "image_size": config.image_size,
        **_norm_and_activation(config),
    }


def text_config(config: Any) -> dict[str, Any]:
    """open_clip's ``text_cfg`` of a CLIP or SigLIP text configuration."""
    eos: dict[str, Any] = {}
    if config.eos_token_id is not None and config.eos_token_id != _EOS_OF_OLD:
        eos = {"pool_type": "eos", "eos_id": config.eos_token_id}
    return {
        "context_length": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "width": config.hidden_size,
        "heads": config.num_attention_heads,
        "layers": config.num_hidden_layers,
        "mlp_ratio": config.intermediate_size / config.hidden_size,
        **eos,
        **_norm_and_activation(config),
    }


def uses_quick_gelu(config: Any) -> bool:
    """Whether a tower's activation is QuickGELU.

    Raises:
        ImportedModelError: for one that open_clip hasn't got.
    """
    return _activation(config)[0]


def _norm_and_activation(config: Any) -> dict[str, Any]:
    kwargs: dict[str, Any] = {}
    if config.layer_norm_eps != _EPSILON:
        kwargs["norm_kwargs"] = {"eps": config.layer_norm_eps}
    arguments = _activation(config)[1]
    if arguments:
        kwargs["act_kwargs"] = arguments
    return kwargs


def _activation(config: Any) -> tuple[bool, dict[str, str]]:
    if config.hidden_act not in _ACTIVATIONS:
        raise ImportedModelError(
            f"hidden_act={config.hidden_act!r} of a {config.model_type}: open_clip's blocks have "
            f"{', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[config.hidden_act]


def text_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's tensors of a CLIP's or SigLIP's text tower."""
    found = _converted(state, "text_model.", _TEXT)
    if "text_projection.weight" in state:
        found["text_projection"] = state["text_projection.weight"].T.contiguous()
    return found


def vision_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's tensors of a CLIP's vision tower."""
    found = _converted(state, "vision_model.", _VISION)
    found["proj"] = state["visual_projection.weight"].T.contiguous()
    return {f"visual.{key}": tensor for key, tensor in found.items()}


def _converted(state: Mapping[str, Tensor], tower: str, names: Mapping[str, str]) -> dict[str, Tensor]:
    own = {key.removeprefix(tower): tensor for key, tensor in state.items() if key.startswith(tower)}
    found = {names[key]: tensor for key, tensor in own.items() if key in names}
    for key, tensor in own.items():
        layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", key)
        if layer is None:
            continue
        number, part, kind = layer.groups()
        block = f"transformer.resblocks.{number}"
        if part in _LAYER:
            found[f"{block}.{_LAYER[part]}.{kind}"] = tensor
        elif part == "self_attn.q_proj":
            three = [own[f"encoder.layers.{number}.self_attn.{name}_proj.{kind}"] for name in "qkv"]
            found[f"{block}.attn.in_proj_{kind}"] = torch.cat(three)
    return found

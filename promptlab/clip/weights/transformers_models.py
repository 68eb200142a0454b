"""Models of transformers: ``CLIPModel``, ``SiglipModel`` and ``ChineseCLIPModel``, from a folder or the hub.

Towers that open_clip can build are built by it, so that they take prompts: CLIP's two, SigLIP's text tower and Chinese
CLIP's image tower. SigLIP's image tower and Chinese CLIP's BERT stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import open_clip
import torch
from open_clip.hf_model import ClsLastHiddenStatePooler, HFTextEncoder
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor, nn

from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.clip.weights.sources import WeightsUnavailableError, refuse_gated
from promptlab.clip.weights.transformers_state import (
    ImportedModelError,
    text_config,
    text_state,
    uses_quick_gelu,
    vision_config,
    vision_state,
)
from promptlab.support.errors import NotThereError
from promptlab.support.extras import extra
from promptlab.support.words import first_line, some_of

PREFIX = "transformers:"
"""Begins the name of a model of transformers."""

_INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
_ANY_VISION = {"layers": 1, "width": 8, "head_width": 8, "patch_size": 8, "image_size": 8}
_ANY_TEXT = {"layers": 1, "width": 8, "heads": 1, "vocab_size": 8}
_KEYS_NAMED = 3
T = TypeVar("T")


def is_folder(identifier: str) -> bool:
    """Whether what follows the prefix is a folder rather than a repository.

    Example:
        >>> is_folder("./mine"), is_folder("openai/clip-vit-base-patch32")
        (True, False)
    """
    return identifier.startswith((".", "/", "~")) or Path(identifier).is_dir()


def load_transformers(identifier: str) -> tuple[nn.Module, HFTokenizer, Callable[[Any], Tensor]]:
    """A model in open_clip's shape, its tokenizer and its image transform.

    Args:
        identifier: a folder, or ``org/repo`` of the hub.

    Raises:
        FileNotFoundError: if there is no such folder.
        UsageError: if transformers isn't installed.
        WeightsUnavailableError: if something can't be fetched or read.
        ImportedModelError: for a model of another kind, or a transform that open_clip hasn't got.
        CheckpointError: if the file of weights lacks some.
    """
    label = PREFIX + identifier
    if is_folder(identifier):
        folder = Path(identifier).expanduser()
        if not folder.is_dir():
            raise NotThereError(f"{label}: there is no folder {folder.absolute()}")
        identifier = str(folder)
    with extra("hf", label):
        import transformers
    config = _fetched(label, lambda: transformers.AutoConfig.from_pretrained(identifier))
    if config.model_type not in _BUILDERS:
        raise ImportedModelError(
            f"{label} is a {config.model_type!r} of transformers: allowed are {', '.join(_BUILDERS)}. "
            "FrozenCLIP.from_functions wraps any other model"
        )
    settings, _ = _fetched(
        label, lambda: transformers.image_processing_utils.BaseImageProcessor.get_image_processor_dict(identifier)
    )
    transform = image_transform_v2(_preprocess(settings, config.vision_config.image_size, label), is_train=False)
    theirs = _weights(getattr(transformers, _CLASSES[config.model_type]), identifier, label)
    with torch.random.fork_rng(devices=[]):
        model = _BUILDERS[config.model_type](theirs, config)
    tokenizer = _fetched(label, lambda: HFTokenizer(identifier, context_length=None))
    longest = config.text_config.max_position_embeddings
    tokenizer.context_length = min(longest, int(tokenizer.tokenizer.model_max_length))
    return model, tokenizer, transform


class TransformersImages(nn.Module):
    """An image tower of transformers whose pooled output is the feature."""

    def __init__(self, trunk: nn.Module, image_size: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.image_size = image_size

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, D) of images (B, 3, H, W)."""
        features: Tensor = self.trunk(pixel_values=images).pooler_output
        return features


class ChineseText(HFTextEncoder):  # type: ignore[misc]
    """Chinese CLIP's BERT, read at its first token, as open_clip wraps text encoders."""

    def __init__(self, theirs: Any) -> None:
        nn.Module.__init__(self)
        self.config = theirs.config.text_config
        self.transformer = theirs.text_model
        self.pooler = ClsLastHiddenStatePooler()
        self.proj = theirs.text_projection
        self.output_dim = theirs.text_projection.out_features
        self.output_tokens = False


def _clip(theirs: Any, config: Any) -> nn.Module:
    quick = {uses_quick_gelu(tower) for tower in (config.text_config, config.vision_config)}
    if len(quick) > 1:
        raise ImportedModelError("one tower has QuickGELU and the other hasn't: open_clip builds no such model")
    state = theirs.state_dict()
    model: nn.Module = open_clip.CLIP(
        embed_dim=config.projection_dim,
        vision_cfg=vision_config(config.vision_config),
        text_cfg=text_config(config.text_config),
        quick_gelu=quick.pop(),
    )
    model.load_state_dict({**text_state(state), **vision_state(state), "logit_scale": state["logit_scale"]})
    return model


def _siglip(theirs: Any, config: Any) -> Any:
    state = theirs.state_dict()
    text = text_config(config.text_config) | {"pool_type": "last", "no_causal_mask": True, "proj_bias": True}
    dim = theirs.text_model.head.out_features
    model: Any = open_clip.CustomTextCLIP(dim, _ANY_VISION, text, init_logit_bias=0.0)
    model.text.load_state_dict(text_state(state))
    model.visual = TransformersImages(theirs.vision_model, config.vision_config.image_size)
    for name in ("logit_scale", "logit_bias"):
        getattr(model, name).data = state[name].reshape(())
    return model


def _chinese_clip(theirs: Any, config: Any) -> Any:
    state = theirs.state_dict()
    quick = uses_quick_gelu(config.vision_config)
    model: Any = open_clip.CustomTextCLIP(
        config.projection_dim, vision_config(config.vision_config), _ANY_TEXT, quick_gelu=quick
    )
    own = {key.removeprefix("visual."): tensor for key, tensor in vision_state(state).items()}
    model.visual.load_state_dict(own)
    model.text = ChineseText(theirs)
    model.logit_scale.data = state["logit_scale"].reshape(())
    return model


_BUILDERS: dict[str, Callable[[Any, Any], nn.Module]] = {
    "clip": _clip,
    "siglip": _siglip,
    "chinese_clip": _chinese_clip,
}
_CLASSES = {"clip": "CLIPModel", "siglip": "SiglipModel", "chinese_clip": "ChineseCLIPModel"}


def _weights(kind: Any, identifier: str, label: str) -> Any:
    """Their model in fp32, every weight from the file."""
    with torch.random.fork_rng(devices=[]):
        model, found = _fetched(label, lambda: kind.from_pretrained(identifier, output_loading_info=True))
    lacking = sorted({str(key) for what in ("missing_keys", "mismatched_keys") for key in found.get(what, ())})
    if lacking:
        raise CheckpointError(f"{label}: its weights lack or misfit {some_of(lacking, _KEYS_NAMED)}")
    return model.float().eval()


def _preprocess(settings: dict[str, Any], image_size: int, label: str) -> PreprocessCfg:
    """The processor's settings in open_clip's words."""
    size = settings.get("size") or {}
    cropped = settings.get("do_center_crop", False)
    shortest = size if isinstance(size, int) else size.get("shortest_edge")
    side = shortest if shortest is not None else size.get("height")
    if settings.get("resample", 3) not in _INTERPOLATIONS or side != image_size:
        raise ImportedModelError(
            f"{label}: open_clip has no image transform for size {size} of a tower of {image_size} pixels with "
            f"resample={settings.get('resample')}"
        )
    return PreprocessCfg(
        size=image_size,
        mean=tuple(settings["image_mean"]),
        std=tuple(settings["image_std"]),
        interpolation=_INTERPOLATIONS[settings.get("resample", 3)],
        resize_mode="shortest" if cropped else "squash",
    )


def _fetched(label: str, fetch: Callable[[], T]) -> T:
    try:
        return fetch()
    except Exception as error:  # the library and the hub's client have dozens
        refuse_gated(label, error)
        raise WeightsUnavailableError(
            f"{label} can't be loaded ({first_line(error)}). Check the name and the network; a folder is given as "
            f"'{PREFIX}FOLDER'"
        ) from error

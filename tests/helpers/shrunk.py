"""open_clip's architectures at miniature size: the kinds of towers they have, with few and narrow layers."""

import contextlib
from copy import deepcopy
from unittest import mock

import open_clip
import timm
from open_clip import factory

from promptlab.clip import load_clip
from tests.helpers.towers import HUGGING_FACE, write_tokenizer

WIDTH = 64
_TEXT = {"width": WIDTH, "heads": 2, "layers": 2}
_VISION = {"layers": 2, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 32}
_RESNET = {"layers": (1, 1, 1, 1), "width": 16, "image_size": 64}
_VIT = {"depth": 2, "embed_dim": 64, "num_heads": 2}
_TRUNKS = {
    "convnext": {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64)},
    "swin": {"depths": (1, 1, 1, 1), "embed_dim": 16, "num_heads": (1, 1, 2, 2)},
    "fastvit": {},
    "vitamin": _VIT,
    "vit": _VIT,
    "eva": _VIT,
}
_SPECIALS = {"google/mt5-base": ("", "[SEP]"), "timm/ViT-B-16-SigLIP": ("", "[SEP]")}
_SIDES = {"swin": 224}


def shrunk_config(name, folder):
    """An architecture's configuration at miniature size, with a tokenizer and an encoder of this folder's."""
    cfg = deepcopy(open_clip.get_model_config(name))
    cfg["embed_dim"] = WIDTH
    vision, text = cfg["vision_cfg"], cfg["text_cfg"]
    if "timm_model_name" in vision:
        family = _family(vision["timm_model_name"])
        vision["image_size"] = _side(vision["timm_model_name"]) if _TRUNKS[family] == _VIT else _SIDES.get(family, 64)
    elif isinstance(vision["layers"], list):
        vision |= _RESNET
    else:
        vision |= _VISION
    if "multimodal_cfg" in cfg:
        cfg["multimodal_cfg"] |= {"width": WIDTH, "heads": 2, "layers": 1}
    if text.get("hf_tokenizer_name"):
        opening, closing = _SPECIALS.get(text["hf_tokenizer_name"], ("[CLS]", "[SEP]"))
        text["hf_tokenizer_name"] = write_tokenizer(folder, opening, closing)
    if text.get("hf_model_name"):
        kind = next(kind for kind in ("xlm-roberta", "roberta", "mt5", "nllb") if kind in text["hf_model_name"])
        HUGGING_FACE[kind][0].save_pretrained(folder)
        text["hf_model_name"] = str(folder)
        return cfg
    text |= _TEXT
    if text.get("hf_tokenizer_name"):
        text |= {"vocab_size": 64, **({"eos_id": 2} if "eos_id" in text else {})}
    return cfg


def shrunk(name, folder):
    """An architecture at miniature size with random weights, loaded by its name."""
    cfg = shrunk_config(name, folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(factory._MODEL_CONFIGS, {name: cfg}))
        stack.enter_context(mock.patch.object(timm, "create_model", _small_trunk(timm.create_model)))
        return load_clip(name, "random")


def _small_trunk(create_model):
    def create(model_name, **arguments):
        smaller = dict(_TRUNKS[_family(model_name)])
        if _TRUNKS[_family(model_name)] == _VIT:
            smaller["img_size"] = _side(model_name)
        if "mci" in model_name or "vitamin" in model_name:  # whose stem has the width of all layers
            smaller = {key: value for key, value in smaller.items() if key not in ("embed_dim", "num_heads")}
        return create_model(model_name, **(arguments | smaller))

    return create


def _family(timm_name):
    return next(family for family in _TRUNKS if timm_name.startswith(family))


def _side(timm_name):
    """Two patches, or four of what says nothing of their size."""
    return next((2 * size for size in (14, 16, 32) if f"patch{size}" in timm_name), 64)

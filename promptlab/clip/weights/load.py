"""``load_clip``: a frozen CLIP from a name."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Annotated, Any

import open_clip
import torch
from annotated_types import Interval, Predicate, doc
from open_clip.coca_model import CoCa
from open_clip.factory import _set_model_device_and_precision
from open_clip.model import set_model_preprocess_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from open_clip.transformer import LayerNorm, LayerNormFp32
from PIL import Image
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP, Precision
from promptlab.clip.weights.checkpoints import load_weights
from promptlab.clip.weights.names import HUB, RANDOM
from promptlab.clip.weights.sources import Source, WeightsUnavailableError, resolve
from promptlab.clip.weights.transformers_models import PREFIX, is_folder, load_transformers
from promptlab.clip.weights.transforms import refuse_transform
from promptlab.support.devices import AUTO, is_device, usable_device
from promptlab.support.ranges import checked
from promptlab.support.words import first_line

DEMO = "demo"
Transform = Callable[[Image.Image], Tensor]


@checked()
def load_clip(
    name: str,
    pretrained: str | None = None,
    *,
    precision: Precision = "fp32",
    device: Annotated[str | torch.device, Predicate(is_device), doc("a device, such as cpu or cuda:0,")] = AUTO,
    quick_gelu: bool | None = None,
    seed: Annotated[int, Interval(ge=0, le=2**63 - 1)] | None = None,
    text_memory_mb: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None,
    transform_of: str | None = None,
) -> FrozenCLIP:
    """Load a CLIP of open_clip, frozen and in eval mode.

    Everything that can be wrong with the arguments is refused before weights are fetched or a model is built. The
    global random state stays as it is.

    Args:
        name: ``"demo"``, an architecture of open_clip (``"ViT-B-16-quickgelu"``), ``"hf-hub:org/repo"`` or
            ``"local-dir:folder"`` in open_clip's layout, ``"transformers:org/repo"`` or ``"transformers:folder"`` for
            a ``CLIPModel``, ``SiglipModel`` or ``ChineseCLIPModel``.
        pretrained: for an architecture: a tag that open_clip knows for it (``"openai"``), the path of a checkpoint
            (.pt, .pth, .bin, .safetensors; OpenAI's TorchScript archives too), such a file in a repository of the hub
            (``"hf-hub:org/repo/file.pt"``), or ``"random"``.
        precision: fp32, or mixed as open_clip has it: bf16 or fp16 weights in linear layers, norms in fp32.
        device: where the model goes; ``auto``: what ``PROMPTLAB_DEVICE`` names, else cuda, mps or the cpu, the first
            that is there.
        quick_gelu: the activation that the weights were trained with. A path needs it unless the file is a published
            one; for an architecture's name it must agree with the name, for a hub repository or a folder it wins over
            the configuration.
        seed: of random weights; 0 if not given.
        text_memory_mb: what the text tower may keep for the backward pass, in MiB; 3,072 if None.
        transform_of: the tag of the architecture whose image transform (mean, deviation, interpolation, crop) a file's
            weights were trained with. A path needs it where the architecture's tags differ in that, unless the file is
            a published one.

    Returns:
        The frozen backbone.

    Raises:
        ValueError: for an unknown name, tag, precision or device, an activation that the weights don't have, or an
            image transform that can't be known.
        UnsupportedBackboneError: if the model has no text tower that takes prompt vectors.
        CheckpointError: for a file that is damaged, holds code, or doesn't fit the architecture.
        FileNotFoundError: for a missing file or folder.
        WeightsUnavailableError: if weights can't be fetched.

    Example:
        >>> clip = load_clip("demo")  # or load_clip("ViT-B-16-quickgelu", "openai", device="cuda:1")
        >>> clip.dim, clip.width
        (128, 128)
    """
    if seed is not None and pretrained != RANDOM:
        raise ValueError(f"seed={seed} is for pretrained={RANDOM!r}; {name} with pretrained={pretrained!r} has weights")
    device = usable_device(device)
    if name == DEMO:
        refuse_transform(transform_of, repr(DEMO))
        label = DEMO
        model, tokenizer, preprocess = _load_demo(pretrained, quick_gelu, precision)
    elif name.startswith(PREFIX):
        refuse_transform(transform_of, name)
        label = name
        model, tokenizer, preprocess = _load_transformers(name, pretrained, quick_gelu, precision)
    else:
        source = resolve(name, pretrained, quick_gelu, transform_of)
        label = source.label if source.fetch else f"{source.label}-{seed or 0}"
        tokenizer = _build_tokenizer(source)
        model, preprocess = _load(source, precision, seed or 0)
    memory = {} if text_memory_mb is None else {"text_memory_mb": text_memory_mb}
    named = portable(name, pretrained, quick_gelu, seed)
    return FrozenCLIP(model.to(device), tokenizer, preprocess, label, precision=precision, source=named, **memory)


def portable(
    name: str, pretrained: str | None, quick_gelu: bool | None, seed: int | None
) -> dict[str, str | bool | int | None] | None:
    """The arguments that name these weights on any machine; None for files and folders of this one.

    Args:
        name: as for :func:`load_clip`, and likewise the others.
        pretrained: a tag, ``"random"`` or a path.
        quick_gelu: the activation.
        seed: of random weights.
    """
    is_tag = pretrained in (None, RANDOM) or bool(open_clip.get_pretrained_cfg(name, pretrained))
    is_file = not is_tag and not str(pretrained).startswith(HUB)
    is_here = name.startswith("local-dir:") or (name.startswith(PREFIX) and is_folder(name.removeprefix(PREFIX)))
    if is_file or is_here:
        return None
    return {"name": name, "pretrained": pretrained, "quick_gelu": quick_gelu, "seed": seed}


def _load_demo(
    pretrained: str | None, quick_gelu: bool | None, precision: Precision
) -> tuple[nn.Module, Any, Transform]:
    if pretrained is not None or quick_gelu is not None:
        raise ValueError("'demo' brings its own weights and activation: leave out pretrained and quick_gelu")
    from promptlab.demo.model import load_demo_clip

    model, tokenizer, preprocess = load_demo_clip()
    if precision != "fp32":
        for module in model.modules():
            if type(module) is LayerNorm:  # what open_clip builds where it knows the precision beforehand
                module.__class__ = LayerNormFp32
        _set_precision(model, precision, is_timm=False)
    return model, tokenizer, preprocess


def _load_transformers(
    name: str, pretrained: str | None, quick_gelu: bool | None, precision: Precision
) -> tuple[nn.Module, Any, Transform]:
    if pretrained is not None or quick_gelu is not None:
        raise ValueError(f"{name} brings its own weights and activation: leave out pretrained and quick_gelu")
    if precision != "fp32":
        raise ValueError(f"precision={precision!r}: models of transformers are loaded in fp32")
    return load_transformers(name.removeprefix(PREFIX))


def _load(source: Source, precision: Precision, seed: int) -> tuple[nn.Module, Transform]:
    """Build a source's model and fill it with its weights."""
    checkpoint = source.fetch() if source.fetch else None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch the GPUs' generators
        model = _build(source.model_cfg, precision)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    preprocess_cfg = merge_preprocess_dict(PreprocessCfg(), source.preprocess_cfg)
    preprocess_cfg["size"] = model.visual.image_size
    set_model_preprocess_cfg(model, preprocess_cfg)
    transform: Transform = image_transform_v2(PreprocessCfg(**preprocess_cfg), is_train=False)
    return model, transform


def _build(model_cfg: dict[str, Any], precision: Precision) -> Any:
    """An open_clip model with random weights, as ``open_clip.create_model`` builds it."""
    cfg = deepcopy(model_cfg)
    is_hugging_face = bool(cfg["text_cfg"].get("hf_model_name"))
    if is_hugging_face:
        cfg["text_cfg"]["hf_model_pretrained"] = False
    is_timm = "timm_model_name" in cfg["vision_cfg"]
    if is_timm:
        cfg["vision_cfg"]["timm_model_pretrained"] = False
    custom = cfg.pop("custom_text", False) or is_hugging_face
    model_class = open_clip.CLIP if not custom else CoCa if "multimodal_cfg" in cfg else open_clip.CustomTextCLIP
    model = model_class(**cfg, cast_dtype=open_clip.get_cast_dtype(precision))
    _set_precision(model, precision, is_timm)
    return model


def _set_precision(model: Any, precision: Precision, is_timm: bool) -> None:
    projection = getattr(getattr(model, "text", model), "text_projection", None)
    if precision != "fp32" and isinstance(projection, nn.Linear) and not is_timm:
        raise ValueError(f"precision={precision!r}: open_clip can't lower a text projection with bias; use fp32")
    _set_model_device_and_precision(model, torch.device("cpu"), precision, is_timm)


@cache
def _clips_tokenizer(length: int) -> Any:
    """CLIP's own, which nothing changes: reading its vocabulary takes a tenth of a second."""
    return open_clip.SimpleTokenizer(context_length=length)


def _build_tokenizer(source: Source) -> Any:
    text_cfg = source.model_cfg["text_cfg"]
    if not text_cfg.get("hf_tokenizer_name"):
        length, more = text_cfg.get("context_length", 77), text_cfg.get("tokenizer_kwargs")
        return open_clip.SimpleTokenizer(context_length=length, **more) if more else _clips_tokenizer(length)
    if (text_cfg.get("tokenizer_kwargs") or {}).get("trust_remote_code"):
        raise ValueError(f"{source.label} asks for a tokenizer that runs code from the hub: refused")
    try:
        return open_clip.get_tokenizer(source.name)
    except Exception as error:
        raise WeightsUnavailableError(
            f"{source.label} needs the Hugging Face tokenizer {text_cfg['hf_tokenizer_name']!r}, which can't be loaded "
            f"({first_line(error)}). Check that the transformers package is installed"
        ) from None

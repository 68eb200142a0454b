"""Small CLIPs for tests, and the plain full-length encoding that the exact tower is held against."""

import zlib
from functools import cache

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
from open_clip.transform import image_transform
from torch import nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def tiny_model(
    *,
    embed_dim=48,
    width=32,
    heads=4,
    layers=3,
    quick_gelu=True,
    custom=False,
    projection="tensor",
    resnet=False,
    seed=0,
):
    """An open_clip model of a few thousand weights (and 49,408 token rows), random but lively."""
    vision = CLIPVisionCfg(layers=2, width=64, head_width=32, patch_size=8, image_size=32)
    if resnet:
        vision = CLIPVisionCfg(layers=(1, 1, 1, 1), width=16, image_size=32, patch_size=None)
    proj = {"tensor": {}, "linear": {"proj_bias": True}, "none": {"proj_type": "none"}}[projection]
    text = CLIPTextCfg(width=width, heads=heads, layers=layers, **proj)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (CustomTextCLIP if custom else CLIP)(embed_dim, vision, text, quick_gelu=quick_gelu)
        for parameter in model.parameters():  # biases and norms away from their neutral start
            if parameter.ndim == 1:
                nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.1)
        nn.init.normal_(model.text.token_embedding.weight if custom else model.token_embedding.weight, std=0.5)
    return model


def freeze(model, name="tiny", **kwargs):
    preprocess = image_transform(32, is_train=False, mean=MEAN, std=STD, interpolation="bicubic")
    return FrozenCLIP(model, clips_tokenizer(), preprocess, name, **kwargs)


@cache
def clips_tokenizer():
    """Building it takes longer than a tiny model."""
    return open_clip.tokenizer.SimpleTokenizer()


def tiny_clip(**kwargs):
    memory = {"text_memory_mb": kwargs.pop("text_memory_mb")} if "text_memory_mb" in kwargs else {}
    return freeze(tiny_model(**kwargs), **memory)


def rule_model(salt, *, embed_dim, text_width, text_heads, text_layers, vision_layers):
    """The models of shared/golden, whose weights follow from parameter names."""
    vision = CLIPVisionCfg(layers=vision_layers, width=64, head_width=64, patch_size=8, image_size=32)
    text = CLIPTextCfg(width=text_width, heads=text_heads, layers=text_layers)
    model = CLIP(embed_dim, vision, text, quick_gelu=True)
    for name, parameter in model.named_parameters():
        if parameter.ndim:
            parameter.data = rule_tensor(name, parameter.shape, salt)
    model.logit_scale.data = torch.tensor(np.log(100.0), dtype=torch.float32)
    return model


def rule_tensor(name, shape, salt, scale=None):
    if scale is None:
        scale = 0.05 if len(shape) == 1 else 0.5 if "embedding" in name else shape[-1] ** -0.5
    state = np.random.RandomState((zlib.crc32(name.encode()) + salt) % 2**32)
    layer_norm = "ln_" in name and name.endswith("weight")
    draw = state.standard_normal(tuple(shape)) * (0.1 if layer_norm else scale)
    return torch.from_numpy((draw + layer_norm).astype(np.float32))


def full_encode(model, embeddings, eot, *, normalised=True):
    """CLIP's text encoding of (N, 77, E) token embeddings, read at positions eot (N,): (N, D)."""
    text = getattr(model, "text", model)
    x = embeddings + text.positional_embedding
    x = text.transformer(x, attn_mask=text.attn_mask)
    x = text.ln_final(x)[torch.arange(len(x)), eot]
    if isinstance(text.text_projection, nn.Module):
        x = text.text_projection(x)
    elif text.text_projection is not None:
        x = x @ text.text_projection
    return F.normalize(x, dim=-1) if normalised else x


def full_prompts(clip, class_names, ctx, position="end"):
    """CoOp's prompts written out: (C, 77, E) embeddings and EOT positions, class by class and token by token."""
    text = getattr(clip.model, "text", clip.model)
    tokenizer = clip.tokenizer
    contexts = ctx if ctx.ndim == 3 else [ctx] * len(class_names)
    prompts, ends = [], []
    for name, context in zip(class_names, contexts, strict=True):
        name = name.replace("_", " ")
        M = len(context)
        placeholder = tokenizer(" ".join(["X"] * M) + " " + name + ".")  # (1, 77)
        embedded = text.token_embedding(placeholder)[0]
        n = len(tokenizer.encode(name))
        sos, suffix = embedded[:1], embedded[1 + M :]
        first, second = context[: M // 2], context[M // 2 :]
        prompts.append(
            torch.cat(
                {
                    "end": [sos, context, suffix],
                    "middle": [sos, first, suffix[:n], second, suffix[n:]],
                    "front": [sos, suffix[:n], context, suffix[n:]],
                }[position]
            )
        )
        ends.append(int(placeholder.argmax()))
    return torch.stack(prompts), torch.tensor(ends)


def class_names(count, longest=12):
    """``count`` names of one to twelve tokens."""
    words = ("red", "blue", "old", "new", "tall", "house", "star", "boat", "tree", "lake", "road", "hill")
    return [" ".join(words[(i + k) % 12] for k in range(1 + i % longest)) for i in range(count)]


def text_by_hand(model, prompt, end, replaced):
    """One prompt (77, E) layer by layer, the tokens behind SOS replaced before those named: its feature (D,)."""
    x = prompt + model.positional_embedding
    for layer, block in enumerate(model.transformer.resblocks):
        if layer in replaced:
            x = torch.cat([x[:1], replaced[layer], x[1 + len(replaced[layer]) :]])
        x = block(x[None], attn_mask=model.attn_mask)[0]
    return F.normalize(model.ln_final(x)[end] @ model.text_projection, dim=-1)

"""Features of an image's regions, beside that of the whole, from the towers that tell them.

A ResNet of CLIP's pools by attention, whose query is the mean of all places: with every place as a query as well, each
gets an answer of its own. Of a vision transformer they are the patch tokens, behind its last layer norm and projection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.image.tower import ImageTower


def regions_of(model: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
    """What makes images (B, 3, H, W) features (B, 1 + R, D): of the whole image, and of its R regions.

    Args:
        model: an open_clip model with its image tower under ``visual``.
        name: what messages call the model.

    Raises:
        UnsupportedBackboneError: if it is neither of the two.
    """
    visual: Any = model.visual
    if type(visual) is ModifiedResNet and type(visual.attnpool) is AttentionPool2d:
        return lambda images: _of_places(visual, images)
    tower = ImageTower(model, name, "doesn't tell the regions of an image")
    return lambda images: tower.project(tower.all_tokens(images))


def _of_places(visual: Any, images: Tensor) -> Tensor:
    pool, x = visual.attnpool, visual.stem(images)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = layer(x)
    places = x.flatten(2).transpose(1, 2)  # (B, R, width)
    places = torch.cat([places.mean(1, keepdim=True), places], dim=1)
    places = places + pool.positional_embedding.to(places.dtype)
    q, k, v = (
        product(places).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)  # (B, heads, 1 + R, width / heads)
        for product in (pool.q_proj, pool.k_proj, pool.v_proj)
    )
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    features: Tensor = pool.c_proj(attended)
    return features

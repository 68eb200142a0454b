"""What a learner sees of test images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor

from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.features.in_readers import in_readers
from promptlab.features.transforms import require_preprocess, training_transform
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.random_streams import view_stream


def inputs_of(learner: PromptLearner, items: Items, bank: FeatureBank, batch_size: int) -> Iterator[Tensor]:
    """What the learner needs of each item.

    Yields:
        Features (B, D) or images (B, 3, H, W) under the evaluation transform; of a learner with K ``test_views``
        (B, K, D) or (B, K, 3, H, W): that view, then K - 1 random ones by the image's own stream.
    """
    if learner.needs == "features":
        yield from torch.split(_features(learner, items, bank).to(learner.clip.device), batch_size)
        return
    contents = items.content_ids() if learner.test_views else [""] * len(items)
    for start in range(0, len(items), batch_size):
        positions = range(start, min(start + batch_size, len(items)))
        images = [_views(learner, items.source.open(int(items.indices[i])), contents[i]) for i in positions]
        yield torch.stack(images).to(learner.clip.device)


def seen_by_readers(learner: PromptLearner) -> Callable[[Image.Image], Tensor]:
    """As :func:`inputs_of` shows an image of a list, for threads that read files.

    Returns:
        Picture to (3, H, W), or to (K, 3, H, W) by a stream of its pixels.
    """
    if not learner.test_views:
        return in_readers(require_preprocess(learner.clip))
    return lambda image: _views(learner, image, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest())


def encoded(learner: PromptLearner, images: Tensor) -> Tensor:
    """Features (B, D) of images (B, 3, H, W), or (B, K, D) of K views each, of the kind that the learner reads."""
    with torch.inference_mode():
        features = learner.clip.encode_images(images.flatten(0, -4), normalised=learner.normalised, kind=learner.reads)
    return features.clone().reshape(*images.shape[:-3], -1)  # a copy, so that a learner may adapt by them


def _features(learner: PromptLearner, items: Items, bank: FeatureBank) -> Tensor:
    """(N, D), or (N, K, D)."""
    kind, normalised = learner.reads, learner.normalised
    plain = bank.features(learner.clip, items, kind=kind, normalised=normalised)
    if not learner.test_views:
        return plain
    if learner.test_views == 1:
        return plain.unsqueeze(1)
    views, scale = learner.test_views - 1, learner.crop_scale
    random = bank.features(learner.clip, items, views=views, crop_scale=scale, kind=kind, normalised=normalised)
    return torch.cat([plain.unsqueeze(1), random], 1)


def _views(learner: PromptLearner, image: Image.Image, content: str) -> Tensor:
    """(3, H, W), or (K, 3, H, W)."""
    plain = require_preprocess(learner.clip)(image)
    if not learner.test_views:
        return plain
    transform = training_transform(learner.clip, learner.crop_scale)
    random = [transform(image, view_stream(content, view)) for view in range(learner.test_views - 1)]
    return torch.stack([plain, *random])

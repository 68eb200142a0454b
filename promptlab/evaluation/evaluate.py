"""Scoring a learner on items, and on a user's own pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from promptlab.data.items import Items
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import require_preprocess
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.schema import Metrics


@torch.no_grad()
def logits_of(
    learner: PromptLearner, items: Items, bank: FeatureBank | None = None, *, batch_size: int = 100
) -> Tensor:
    """Logits of items under the evaluation transform.

    Args:
        learner: what scores.
        items: N items.
        bank: where features are kept; None opens the default one.
        batch_size: items per call of the learner.

    Returns:
        (N, C) fp32 on the CPU.
    """
    learner.eval()
    scorer = learner.scorer()
    batches = [scorer(batch).float().cpu() for batch in inputs_of(learner, items, bank or FeatureBank(), batch_size)]
    return torch.cat(batches) if batches else torch.empty(0, len(learner.class_names))


def evaluate(learner: PromptLearner, items: Items, bank: FeatureBank | None = None) -> Metrics:
    """Metrics of a learner on items whose labels index its classes; see :func:`logits_of`."""
    from promptlab.evaluation.metrics import (
        evaluate_scores,
    )  # torchmetrics is slow to import, and prediction needs none

    return evaluate_scores(logits_of(learner, items, bank), torch.from_numpy(items.labels))


@torch.no_grad()
def predict(learner: PromptLearner, images: Sequence[str | Path | Image.Image]) -> Tensor:
    """Class probabilities of pictures.

    Args:
        learner: what scores.
        images: N paths or PIL images.

    Returns:
        (N, C) rows that sum to 1, columns in the order of ``learner.class_names``.

    Raises:
        OSError: if a picture can't be read.
    """
    learner.eval()
    preprocess = require_preprocess(learner.clip)
    opened = [image if isinstance(image, Image.Image) else Image.open(image) for image in images]
    inputs = torch.stack([preprocess(image) for image in opened])
    if learner.needs == "features":
        inputs = learner.clip.encode_images(inputs)
    return learner.scorer()(inputs.to(learner.clip.device)).softmax(-1).cpu()


def inputs_of(learner: PromptLearner, items: Items, bank: FeatureBank, batch_size: int) -> Iterator[Tensor]:
    """What the learner needs of each item, under the evaluation transform: features (B, D) or images (B, 3, H, W)."""
    if learner.needs == "features":
        yield from torch.split(bank.features(learner.clip, items).to(learner.clip.device), batch_size)
        return
    preprocess = require_preprocess(learner.clip)
    for start in range(0, len(items), batch_size):
        indices = items.indices[start : start + batch_size]
        images = [preprocess(items.source.open(int(index))) for index in indices]
        yield torch.stack(images).to(learner.clip.device)

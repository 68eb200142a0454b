"""Scoring a learner on items, and on a user's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from promptlab.data.items import Items
from promptlab.evaluation.test_time import encoded, inputs_of, views_of_picture
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.schema import Metrics


@torch.no_grad()
def logits_of(
    learner: PromptLearner, items: Items, bank: FeatureBank | None = None, *, batch_size: int = 100
) -> Tensor:
    """Logits of items: batch by batch, or as a learner's facts say all together, or one by one with an adaptation.

    Args:
        learner: what scores.
        items: N items; under the evaluation transform, or by the learner's ``test_views``.
        bank: where features are kept; None opens the default one.
        batch_size: items per call of the learner.

    Returns:
        (N, C) fp32 on the CPU.
    """
    learner.eval()
    if not len(items):
        return torch.empty(0, len(learner.class_names))
    bank = bank or FeatureBank()
    if learner.transductive:
        everything = torch.cat(list(inputs_of(learner, items, bank, batch_size)))  # (N, ...)
        return learner.score_together(everything).float().cpu()
    scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()
    return torch.cat([scorer(batch).float().cpu() for batch in inputs_of(learner, items, bank, batch_size)])


def evaluate(learner: PromptLearner, items: Items, bank: FeatureBank | None = None) -> Metrics:
    """Metrics of a learner on items whose labels index its classes; see :func:`logits_of`.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> data = promptlab.demo_dataset("demo_textures")
        >>> learner = promptlab.ZeroShot(clip, data.class_names)
        >>> metrics = promptlab.evaluate(learner, data.test.take(range(0, 40, 2)))
        >>> 0 <= metrics.top1 <= 1
        True
    """
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
        ValueError: if the learner is transductive.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> picture = promptlab.demo_dataset("demo_shapes").test.source.open(0)
        >>> promptlab.predict(promptlab.ZeroShot(clip, ["circle", "star"]), [picture]).shape
        torch.Size([1, 2])
    """
    if learner.transductive:
        raise ValueError(
            f"{type(learner).__name__} scores all test images together, so a picture's probabilities would follow from "
            "which others are given: score Items with promptlab.evaluate"
        )
    learner.eval()
    opened = [image if isinstance(image, Image.Image) else Image.open(image) for image in images]
    inputs = torch.stack([views_of_picture(learner, image) for image in opened]).to(learner.clip.device)
    if learner.needs == "features":
        inputs = encoded(learner, inputs)
    scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()
    return scorer(inputs).softmax(-1).cpu()

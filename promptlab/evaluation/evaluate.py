"""Scoring a learner on items."""

from __future__ import annotations

import torch
from torch import Tensor

from promptlab.data.items import Items
from promptlab.evaluation.test_time import inputs_of
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

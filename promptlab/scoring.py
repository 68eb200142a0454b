"""Scoring one evaluation set: the learner, zero-shot CLIP beside it, and the predictions kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from promptlab.clip.backbone import FrozenCLIP
from promptlab.data.feature_bank import FeatureBank
from promptlab.learners.base import PromptLearner
from promptlab.learners.zero_shot import ZeroShot
from promptlab.protocols.task import EvaluationSet
from promptlab.record import Target
from promptlab.results.metrics import evaluate_scores, top_predictions
from promptlab.results.schema import EvaluationResult
from promptlab.results.sidecar import Predictions, pack_content_ids, predictions_name, write_predictions
from promptlab.training.evaluate import evaluate, logits_of


def score(
    scorer: PromptLearner | str,
    evaluation: EvaluationSet,
    target: Target,
    clip: FrozenCLIP,
    bank: FeatureBank,
    folder: Path,
) -> EvaluationResult:
    """Score an evaluation set and keep its predictions.

    Args:
        scorer: a learner over the evaluation's classes, or the reason why there is none.
        evaluation: what is scored.
        target: its facts and id.
        clip: the backbone, for the zero-shot scores.
        bank: where features are.
        folder: the run's folder.
    """
    zero_shot = ZeroShot(clip, evaluation.class_names, template=evaluation.template)
    metrics = None
    if isinstance(scorer, PromptLearner):
        labels = torch.from_numpy(evaluation.items.labels)
        logits = logits_of(scorer, evaluation.items, bank)
        metrics = evaluate_scores(logits, labels)
        ids, probabilities = top_predictions(logits)
        predictions = Predictions(
            evaluation=evaluation.name,
            eval_id=target.id,
            class_names=evaluation.class_names,
            labels=evaluation.items.labels.astype(np.int32),
            top_ids=ids.numpy().astype(np.int32),
            top_probabilities=probabilities.numpy(),
            image_ids=pack_content_ids(evaluation.items.content_ids()),
        )
        write_predictions(folder, predictions)
    return EvaluationResult(
        dataset=evaluation.dataset,
        eval_id=target.id,
        facts=target.facts,
        metrics=metrics,
        reason=scorer if isinstance(scorer, str) else None,
        zero_shot=evaluate(zero_shot, evaluation.items, bank),
        predictions=predictions_name(evaluation.name) if metrics is not None else None,
    )

"""Scoring one evaluation set: the learner, zero-shot CLIP beside it, and the predictions kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.evaluation.calibration import calibration_errors
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.metrics import evaluate_scores, top_predictions
from promptlab.evaluation.seen_unseen import tradeoff
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.protocols.task import EvaluationSet, Task
from promptlab.results.content_ids import pack_content_ids
from promptlab.results.logits import logits_name, logits_of_arrays, write_logits
from promptlab.results.predictions import Predictions, predictions_name, write_predictions
from promptlab.results.schema import Calibration, EvaluationResult, SeenUnseenCurve
from promptlab.results.statistics import harmonic_mean
from promptlab.runs.baseline import zero_shot_scores
from promptlab.runs.calibrate import Bias
from promptlab.runs.facts import Target
from promptlab.support.words import printable


@dataclass(frozen=True)
class Scored:
    """An evaluation's part of the Result, and its logits (N, C), None where there are no scores."""

    result: EvaluationResult
    logits: Tensor | None


def score(
    scorer: PromptLearner | str,
    evaluation: EvaluationSet,
    target: Target,
    clip: FrozenCLIP,
    bank: FeatureBank,
    folder: Path,
    *,
    temperature: float | None = None,
    anew: bool = False,
    keep_logits: bool = False,
) -> Scored:
    """Score an evaluation set and keep its predictions.

    Args:
        scorer: a learner over the evaluation's classes, or the reason why there is none.
        evaluation: what is scored.
        target: its facts and id.
        clip: the backbone, for the zero-shot scores.
        bank: where features are.
        folder: the run's folder.
        temperature: what the learner's logits are divided by for probabilities, None without a calibration.
        anew: score zero-shot CLIP again, too.
        keep_logits: keep all logits besides.
    """
    metrics = logits = before = after = None
    if isinstance(scorer, PromptLearner):
        labels = torch.from_numpy(evaluation.items.labels)
        logits = logits_of(scorer, evaluation.items, bank)
        metrics, before = evaluate_scores(logits, labels), calibration_errors(logits, labels)
        after = None if temperature is None else calibration_errors(logits, labels, temperature)
        ids, probabilities = top_predictions(logits)
        predictions = Predictions(
            evaluation=evaluation.name,
            eval_id=target.id,
            class_names=evaluation.class_names,
            labels=evaluation.items.labels.astype(np.int32),
            top_ids=ids.numpy().astype(np.int32),
            top_probabilities=probabilities.numpy(),
            image_ids=pack_content_ids(evaluation.items.content_ids()),
            files=tuple(printable(evaluation.items.source.describe(int(i))) for i in evaluation.items.indices),
        )
        write_predictions(folder, predictions)
        if keep_logits:
            ids_of_images, names = evaluation.items.content_ids(), evaluation.class_names
            kept = logits_of_arrays(logits.float().cpu(), labels, names, ids_of_images, evaluation.name, target.id)
            write_logits(folder, kept)
    result = EvaluationResult(
        dataset=evaluation.dataset,
        eval_id=target.id,
        facts=target.facts,
        metrics=metrics,
        reason=scorer if isinstance(scorer, str) else None,
        zero_shot=zero_shot_scores(clip, evaluation, target.facts, bank, anew=anew),
        predictions=predictions_name(evaluation.name) if metrics is not None else None,
        logits=logits_name(evaluation.name) if metrics is not None and keep_logits else None,
        uncalibrated=before,
        calibrated=after,
    )
    return Scored(result, logits)


def seen_unseen_curve(task: Task, scored: Mapping[str, Scored], beforehand: Bias | None) -> SeenUnseenCurve | None:
    """The task's seen-unseen curve, None where it has none or one side has no scores.

    Args:
        task: names the two evaluations.
        scored: those.
        beforehand: a bias that was chosen on other images.
    """
    if task.seen_unseen is None:
        return None
    names = (task.seen_unseen.seen, task.seen_unseen.unseen)
    items = {evaluation.name: evaluation.items for evaluation in task.evaluations}
    logits = [scored[name].logits for name in names]
    if logits[0] is None or logits[1] is None:
        return None
    labels = [torch.from_numpy(items[name].labels) for name in names]
    is_unseen = torch.tensor(task.seen_unseen.is_unseen)
    whole = tradeoff(logits[0], labels[0], logits[1], labels[1], is_unseen)
    calibration = None
    if beforehand is not None:
        seen, unseen = whole.at(beforehand.value)
        harmonic = harmonic_mean(seen, unseen)
        calibration = Calibration(
            bias=beforehand.value, fit_id=beforehand.fit_id, seen=seen, unseen=unseen, harmonic=harmonic
        )
    biases, seen_scores, unseen_scores = whole.shown()
    return SeenUnseenCurve(
        bias=biases,
        seen=seen_scores,
        unseen=unseen_scores,
        area=whole.area,
        best_bias=whole.best_bias if task.is_development else None,
        calibration=calibration,
    )

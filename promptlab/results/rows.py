"""Results as rows of plain values, which ``pandas.DataFrame`` and ``csv.DictWriter`` take as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlab.results.document import Result
from promptlab.results.schema import EvaluationResult, Metrics

_RUN = ("dataset", "protocol", "learner", "backbone", "shots", "views", "seed")


def rows_of(result: Result) -> list[dict[str, Any]]:
    """A row per evaluation: what was run, what it scored (fractions in [0, 1]), and where it is.

    The learner's arguments are columns of their own, ``learner.n_ctx`` and so on; what is missing is None.
    """
    return [_row(result, name, scored) for name, scored in result.evaluations.items()]


def _row(result: Result, name: str, scored: EvaluationResult) -> dict[str, Any]:
    return {
        **{
            key: getattr(result, key)
            for key in ("dataset", "protocol", "learner", "backbone", "shots", "views", "seed")
        },
        "train_images": result.train_images,
        "evaluation": name,
        "evaluated_on": scored.dataset,
        **_scores(scored.metrics, ""),
        **_scores(scored.zero_shot, "zero_shot_"),
        "harmonic": None if result.harmonic is None else result.harmonic.learner,
        "reason": scored.reason,
        "marks": ", ".join(result.marks),
        "selection": result.selection,
        "trained_parameters": result.trained_parameters.count,
        "fit_seconds": result.seconds.fit,
        "created": result.created,
        "fit_id": result.fit_id,
        "eval_id": scored.eval_id,
        "folder": None if result.folder is None else str(result.folder),
        **_flat(result.fit.learner_arguments, "learner."),
    }


def _scores(metrics: Metrics | None, prefix: str) -> dict[str, Any]:
    names = ("images", "top1", "mean_class_accuracy", "macro_f1") if not prefix else ("top1", "mean_class_accuracy")
    scores = {f"{prefix}{name}": None if metrics is None else getattr(metrics, name) for name in names}
    return scores if prefix else {**scores, "ece": None if metrics is None else metrics.reliability.ece}


def _flat(arguments: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) and value else {f"{prefix}{name}": value}
    return flat

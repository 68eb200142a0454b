"""H of a Result: the harmonic mean of two of its evaluations."""

from __future__ import annotations

from collections.abc import Mapping

from promptlab.results.schema import EvaluationResult, Harmonic, Metrics
from promptlab.results.statistics import harmonic_mean

HARMONIC_METRICS = ("top1", "mean_class_accuracy")


def harmonic_of(
    evaluations: Mapping[str, EvaluationResult], names: tuple[str, str] | None, metric: str = "top1"
) -> Harmonic | None:
    """The harmonic mean of two evaluations, for the learner and for zero-shot.

    Args:
        evaluations: what was scored, by name.
        names: the two evaluations; None gives None.
        metric: ``top1``, or ``mean_class_accuracy`` as generalised zero-shot learning has it.

    Raises:
        ValueError: if a name isn't among the evaluations or the metric isn't one of the two.
    """
    if names is None:
        return None
    if metric not in HARMONIC_METRICS:
        raise ValueError(f"H is made of one of {', '.join(HARMONIC_METRICS)}, got {metric!r}")
    for name in names:
        if name not in evaluations:
            raise ValueError(f"no evaluation {name!r} to make H of; there are {', '.join(evaluations)}")
    first, second = (evaluations[name] for name in names)
    return Harmonic(
        of=names,
        metric=metric,
        learner=_harmonic(first.metrics, second.metrics, metric),
        zero_shot=_harmonic(first.zero_shot, second.zero_shot, metric),
    )


def _harmonic(first: Metrics | None, second: Metrics | None, metric: str) -> float | None:
    if first is None or second is None:
        return None
    return harmonic_mean(getattr(first, metric), getattr(second, metric))

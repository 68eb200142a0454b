"""Whether a Result can be: fractions, counts that add up, means of what stands beside them, ids that follow from facts.

A checksum tells what was changed since it was written; this tells what can't have been measured, also in documents of
earlier versions, which have no checksum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from promptlab.results.ids import FitFacts, eval_id, fit_id
from promptlab.results.schema import EpochRecord, EvaluationResult, Harmonic, Metrics, Reliability, SeenUnseenCurve
from promptlab.results.statistics import harmonic_mean

_ROUNDING = 1e-6
_LEAST, _MOST = -_ROUNDING, 1 + _ROUNDING


class Measured(Protocol):
    """What of a Result can be impossible; the fields are described there."""

    @property
    def fit_id(self) -> str:
        """Id of the fit."""

    @property
    def fit(self) -> FitFacts:
        """What it follows from."""

    @property
    def seed(self) -> int:
        """The run's."""

    @property
    def evaluations(self) -> Mapping[str, EvaluationResult]:
        """Scores by name."""

    @property
    def harmonic(self) -> Harmonic | None:
        """Made of two of them."""

    @property
    def learning_curve(self) -> tuple[EpochRecord, ...]:
        """A record per epoch."""

    @property
    def seen_unseen(self) -> SeenUnseenCurve | None:
        """Of generalised zero-shot learning."""


def impossible(result: Measured) -> str | None:
    """The first value of a Result that can't be, with its place and what it should be; None where all can.

    Args:
        result: as read.
    """
    return next(_faults(result), None)


def impossible_metrics(metrics: Metrics, path: str = "metrics") -> str | None:
    """The same for one set of scores.

    Args:
        metrics: as read.
        path: where they stand, for the message.
    """
    return next(_of_metrics(metrics, path), None)


def _faults(result: Measured) -> Iterator[str]:
    expected = fit_id(result.fit)
    if result.fit_id != expected:
        yield f"fit_id is {result.fit_id!r}, but {expected!r} follows from what fit says"
    if result.seed != result.fit.seed:
        yield f"seed is {result.seed}, but that of the fit is {result.fit.seed}"
    counts = ("train_images", "val_images", "peak_memory_bytes_of_process", "peak_memory_bytes_of_gpu", "learned_bytes")
    for name in counts:
        if (getattr(result, name) or 0) < 0:
            yield f"{name} is {getattr(result, name)}: a number from 0 is expected"
    for name, evaluation in result.evaluations.items():
        yield from _of_evaluation(result.fit_id, name, evaluation)
    if result.harmonic is not None:
        yield from _of_harmonic(result.harmonic, result.evaluations)
    if result.seen_unseen is not None:
        yield from _of_curve(result.seen_unseen)
    for score in ("accuracy", "val_accuracy"):
        values = [getattr(point, score) for point in result.learning_curve]
        for place in [at for at, value in enumerate(values) if value is not None and not _LEAST <= value <= _MOST]:
            yield from _outside(f"learning_curve[{place}].{score}", [values[place]])


def _of_evaluation(fit: str, name: str, evaluation: EvaluationResult) -> Iterator[str]:
    path = f"evaluations.{name}"
    expected = eval_id(fit, evaluation.facts)
    if evaluation.facts.name != name:
        yield f"{path}.facts.name is {evaluation.facts.name!r}, {name!r} is expected"
    if evaluation.eval_id != expected:
        yield f"{path}.eval_id is {evaluation.eval_id!r}, but {expected!r} follows from its facts"
    for kind in ("metrics", "zero_shot"):
        metrics: Metrics | None = getattr(evaluation, kind)
        if metrics is None:
            continue
        classes = len(evaluation.facts.class_names)
        if len(metrics.per_class_accuracy) != classes:
            yield f"{path}.{kind}: {len(metrics.per_class_accuracy)} classes have an accuracy, there are {classes}"
        yield from _of_metrics(metrics, f"{path}.{kind}")


def _of_metrics(metrics: Metrics, path: str) -> Iterator[str]:
    accuracies, counts = metrics.per_class_accuracy, metrics.per_class_images
    for score in ("top1", "mean_class_accuracy", "macro_f1"):
        yield from _outside(f"{path}.{score}", [getattr(metrics, score)])
    yield from _outside(f"{path}.per_class_accuracy", accuracies)
    yield from _miscounted(f"{path}.per_class_images", counts, metrics.images)
    if [a is None for a in accuracies] != [n == 0 for n in counts]:
        yield f"{path}.per_class_accuracy: the classes that have images, and no others, have an accuracy"
        return
    scored = [(a, n) for a, n in zip(accuracies, counts, strict=True) if a is not None]
    yield from _other(f"{path}.top1", metrics.top1, sum(a * n for a, n in scored) / metrics.images)
    yield from _other(f"{path}.mean_class_accuracy", metrics.mean_class_accuracy, _mean([a for a, _ in scored]))
    yield from _of_reliability(metrics.reliability, metrics.images, metrics.top1, f"{path}.reliability")


def _of_reliability(bins: Reliability, images: int, top1: float, path: str) -> Iterator[str]:
    columns = (bins.count, bins.mean_confidence, bins.accuracy)
    if any(len(column) != len(bins.edges) - 1 for column in columns):
        yield f"{path}: {len(bins.edges)} edges are those of {len(bins.edges) - 1} bins, which each column must have"
        return
    yield from _miscounted(f"{path}.count", bins.count, images)
    for name in ("edges", "mean_confidence", "accuracy"):
        yield from _outside(f"{path}.{name}", getattr(bins, name))
    yield from _outside(f"{path}.ece", [bins.ece])
    right = sum(n * a for n, a in zip(bins.count, bins.accuracy, strict=True) if a is not None)
    yield from _other(f"{path}.accuracy, over all bins,", right / images, top1)
    rows = zip(bins.count, bins.mean_confidence, bins.accuracy, strict=True)
    gap = sum(n * abs(confidence - a) for n, confidence, a in rows if confidence is not None and a is not None)
    yield from _other(f"{path}.ece", bins.ece, gap / images)


def _of_harmonic(harmonic: Harmonic, evaluations: Mapping[str, EvaluationResult]) -> Iterator[str]:
    parts = [evaluations.get(name) for name in harmonic.of]
    for side, kind in (("learner", "metrics"), ("zero_shot", "zero_shot")):
        scores = [getattr(getattr(part, kind), harmonic.metric, None) if part else None for part in parts]
        first, second, found = *scores, getattr(harmonic, side)
        if (found is None) != (first is None or second is None):
            yield f"harmonic.{side} is {found}, but {' and '.join(harmonic.of)} score {first} and {second}"
        elif first is not None and second is not None:
            yield from _other(f"harmonic.{side}", found, harmonic_mean(first, second))


def _of_curve(curve: SeenUnseenCurve) -> Iterator[str]:
    if not len(curve.bias) == len(curve.seen) == len(curve.unseen):
        yield "seen_unseen: bias, seen and unseen must be of one length"
    for name in ("seen", "unseen"):
        yield from _outside(f"seen_unseen.{name}", getattr(curve, name))
    yield from _outside("seen_unseen.area", [curve.area])
    if (chosen := curve.calibration) is not None:
        yield from _outside("seen_unseen.calibration", [chosen.seen, chosen.unseen, chosen.harmonic])
        yield from _other(
            "seen_unseen.calibration.harmonic", chosen.harmonic, harmonic_mean(chosen.seen, chosen.unseen)
        )


def _outside(path: str, values: Sequence[float | None]) -> Iterator[str]:
    for value in [value for value in values if value is not None and not _LEAST <= value <= _MOST]:
        yield f"{path} holds {value:g}: a fraction from 0 to 1 is expected"


def _miscounted(path: str, counts: Sequence[int], images: int) -> Iterator[str]:
    if images < 1 or min(counts, default=0) < 0 or sum(counts) != images:
        yield f"{path} add up to {sum(counts)}, but there are {images} images"


def _other(path: str, found: float, expected: float) -> Iterator[str]:
    if not math.isclose(found, expected, abs_tol=_ROUNDING):
        yield f"{path} is {found:.6g}, but {expected:.6g} follows from what stands beside it"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

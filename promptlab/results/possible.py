"""Whether a Result can be: fractions, counts that add up, means of what stands beside them, ids that follow from facts.

A checksum tells what was changed since it was written; this tells what can't have been measured, also in documents of
earlier versions, which have no checksum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from promptlab.results.calibration import CalibrationErrors, Temperature
from promptlab.results.ids import FitFacts, eval_id, fit_id
from promptlab.results.open_world import OpenWorldResult
from promptlab.results.possible_scores import LEAST, MOST, ROUNDING, of_errors, of_metrics, other, outside
from promptlab.results.schema import EpochRecord, EvaluationResult, Harmonic, Metrics, SeenUnseenCurve
from promptlab.results.statistics import harmonic_mean


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

    @property
    def temperature(self) -> Temperature | None:
        """Of a run with a calibration."""

    @property
    def train_images(self) -> int:
        """How many."""

    @property
    def class_images(self) -> tuple[int, ...] | None:
        """By class."""

    @property
    def open_world(self) -> OpenWorldResult | None:
        """Of a protocol with unknown images."""


def impossible(result: Measured) -> str | None:
    """The first value of a Result that can't be, with its place and what it should be; None where all can.

    Args:
        result: as read.
    """
    return next(_faults(result), None)


def impossible_metrics(metrics: Metrics) -> str | None:
    """The same for one set of scores.

    Args:
        metrics: as read.
    """
    return next(of_metrics(metrics, "metrics"), None)


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
    yield from _of_training(result)
    for name, evaluation in result.evaluations.items():
        yield from _of_evaluation(result.fit_id, name, evaluation)
    if result.harmonic is not None:
        yield from _of_harmonic(result.harmonic, result.evaluations)
    if result.seen_unseen is not None:
        yield from _of_curve(result.seen_unseen)
    if result.open_world is not None:
        yield from _of_open_world(result.open_world, result.evaluations)
    for score in ("accuracy", "val_accuracy", "test_accuracy"):
        values = [getattr(point, score) for point in result.learning_curve]
        for place in [at for at, value in enumerate(values) if value is not None and not LEAST <= value <= MOST]:
            yield from outside(f"learning_curve[{place}].{score}", [values[place]])


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
        yield from of_metrics(metrics, f"{path}.{kind}")
    for kind in ("uncalibrated", "calibrated"):
        errors: CalibrationErrors | None = getattr(evaluation, kind)
        if errors is not None:
            yield from of_errors(errors, f"{path}.{kind}")
    if evaluation.uncalibrated is not None and evaluation.metrics is not None:
        ece = evaluation.metrics.reliability.ece
        yield from other(f"{path}.uncalibrated.ece", evaluation.uncalibrated.ece, ece)


def _of_training(result: Measured) -> Iterator[str]:
    counts, names = result.class_images, result.fit.class_names
    if counts is not None:
        if len(counts) != len(names):
            yield f"class_images has {len(counts)} numbers, there are {len(names)} classes"
        if sum(counts) != result.train_images or min(counts, default=0) < 0:
            yield f"class_images add up to {sum(counts)}, but there are {result.train_images} training images"
    if (result.temperature is None) != (result.fit.calibration is None):
        yield f"temperature is {result.temperature}, but the fit says calibration={result.fit.calibration}"
    if result.temperature is not None and not (result.temperature.value > 0 and result.temperature.images > 0):
        yield f"temperature is {result.temperature}: a value above 0, chosen on some images, is expected"


def _of_harmonic(harmonic: Harmonic, evaluations: Mapping[str, EvaluationResult]) -> Iterator[str]:
    parts = [evaluations.get(name) for name in harmonic.of]
    for side, kind in (("learner", "metrics"), ("zero_shot", "zero_shot")):
        scores = [getattr(getattr(part, kind), harmonic.metric, None) if part else None for part in parts]
        first, second, found = *scores, getattr(harmonic, side)
        if (found is None) != (first is None or second is None):
            yield f"harmonic.{side} is {found}, but {' and '.join(harmonic.of)} score {first} and {second}"
        elif first is not None and second is not None:
            yield from other(f"harmonic.{side}", found, harmonic_mean(first, second))


def _of_curve(curve: SeenUnseenCurve) -> Iterator[str]:
    if not len(curve.bias) == len(curve.seen) == len(curve.unseen):
        yield "seen_unseen: bias, seen and unseen must be of one length"
    for name in ("seen", "unseen"):
        yield from outside(f"seen_unseen.{name}", getattr(curve, name))
    yield from outside("seen_unseen.area", [curve.area])
    if (chosen := curve.calibration) is not None:
        yield from outside("seen_unseen.calibration", [chosen.seen, chosen.unseen, chosen.harmonic])
        yield from other("seen_unseen.calibration.harmonic", chosen.harmonic, harmonic_mean(chosen.seen, chosen.unseen))


def _of_open_world(found: OpenWorldResult, evaluations: Mapping[str, EvaluationResult]) -> Iterator[str]:
    for place, part in enumerate(found.unknown):
        for side, scores in (("learner", part.learner), ("zero_shot", part.zero_shot)):
            for name, value in vars(scores).items() if scores is not None else ():
                yield from outside(f"open_world.unknown[{place}].{side}.{name}", [value])
    for side, kind in (("learner", "metrics"), ("zero_shot", "zero_shot")):
        parts = [getattr(evaluations.get(name), kind, None) for name in (found.known, found.new)]
        value, most = getattr(found, side), math.prod(part.top1 for part in parts if part is not None)
        yield from outside(f"open_world.{side}", [value])
        if value is not None and value > most + ROUNDING:  # both images of a pair must be right
            yield f"open_world.{side} is {value:.6g}, but at most {most:.6g} follows from what both halves score"

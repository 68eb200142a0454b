"""Whether scores can have been measured: each function yields what can't, with its place and what it should be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from promptlab.results.calibration import CalibrationErrors
from promptlab.results.schema import Metrics, Reliability

ROUNDING = 1e-6
LEAST, MOST = -ROUNDING, 1 + ROUNDING
"""What a fraction may be."""


def of_errors(errors: CalibrationErrors, path: str) -> Iterator[str]:
    """Of the errors at a place."""
    yield from outside(path, [errors.ece, errors.adaptive_ece, errors.brier / 2])
    if errors.nll is not None and errors.nll < -ROUNDING:
        yield f"{path}.nll is {errors.nll:g}: a number from 0 is expected"


def of_metrics(metrics: Metrics, path: str) -> Iterator[str]:
    """Of one set of scores."""
    accuracies, counts = metrics.per_class_accuracy, metrics.per_class_images
    for score in ("top1", "mean_class_accuracy", "macro_f1"):
        yield from outside(f"{path}.{score}", [getattr(metrics, score)])
    yield from outside(f"{path}.per_class_accuracy", accuracies)
    yield from miscounted(f"{path}.per_class_images", counts, metrics.images)
    if [a is None for a in accuracies] != [n == 0 for n in counts]:
        yield f"{path}.per_class_accuracy: the classes that have images, and no others, have an accuracy"
        return
    scored = [(a, n) for a, n in zip(accuracies, counts, strict=True) if a is not None]
    yield from other(f"{path}.top1", metrics.top1, sum(a * n for a, n in scored) / metrics.images)
    yield from other(f"{path}.mean_class_accuracy", metrics.mean_class_accuracy, _mean([a for a, _ in scored]))
    yield from _of_reliability(metrics.reliability, metrics.images, metrics.top1, f"{path}.reliability")


def _of_reliability(bins: Reliability, images: int, top1: float, path: str) -> Iterator[str]:
    columns = (bins.count, bins.mean_confidence, bins.accuracy)
    if any(len(column) != len(bins.edges) - 1 for column in columns):
        yield f"{path}: {len(bins.edges)} edges are those of {len(bins.edges) - 1} bins, which each column must have"
        return
    yield from miscounted(f"{path}.count", bins.count, images)
    for name in ("edges", "mean_confidence", "accuracy"):
        yield from outside(f"{path}.{name}", getattr(bins, name))
    yield from outside(f"{path}.ece", [bins.ece])
    right = sum(n * a for n, a in zip(bins.count, bins.accuracy, strict=True) if a is not None)
    yield from other(f"{path}.accuracy, over all bins,", right / images, top1)
    rows = zip(bins.count, bins.mean_confidence, bins.accuracy, strict=True)
    gap = sum(n * abs(confidence - a) for n, confidence, a in rows if confidence is not None and a is not None)
    yield from other(f"{path}.ece", bins.ece, gap / images)


def outside(path: str, values: Sequence[float | None]) -> Iterator[str]:
    """Of values that must be fractions; None stands for none."""
    for value in [value for value in values if value is not None and not LEAST <= value <= MOST]:
        yield f"{path} holds {value:g}: a fraction from 0 to 1 is expected"


def miscounted(path: str, counts: Sequence[int], images: int) -> Iterator[str]:
    """Of counts that must add up to a number of images."""
    if images < 1 or min(counts, default=0) < 0 or sum(counts) != images:
        yield f"{path} add up to {sum(counts)}, but there are {images} images"


def other(path: str, found: float, expected: float) -> Iterator[str]:
    """Of a value that follows from others."""
    if not math.isclose(found, expected, abs_tol=ROUNDING):
        yield f"{path} is {found:.6g}, but {expected:.6g} follows from what stands beside it"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""Whether more pictures would help: held-out accuracy over 1, 2, 4, ... of the given ones, of a cheap learner.

The learner is a ridge regression on the backbone's features, classes weighted alike: in closed form, so that a
curve takes a second. Near-copies stay on one side of a fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptlab.own.folds import ALWAYS_TRAINED, folds_of
from promptlab.own.one_standard_error import standard_error
from promptlab.support.arrays import BoolArray, FloatArray, IntArray

FOLDS, DRAWS = 4, 3
"""Folds of each draw, and draws of which pictures train."""
SEED = 1
_ABOUT_HALF = 0.6


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Accuracy at one number of pictures.

    Args:
        most: pictures a class that train, fewer where a class has fewer.
        mean: pictures a class that train on average.
        accuracy: mean held-out accuracy in [0, 1].
        error: its standard error over the tested pictures.
    """

    most: int
    mean: float
    accuracy: float
    error: float


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """What more pictures did so far.

    Args:
        points: by rising number of pictures; the last uses all.
        half: place of the last point with about half of the last one's pictures.
        gain: accuracy of the last point less that of this one, on the same tested pictures.
        gain_error: its standard error.
        tested: pictures that were tested.
    """

    points: tuple[CurvePoint, ...]
    half: int
    gain: float
    gain_error: float
    tested: int

    @property
    def still_rises(self) -> bool:
        """Whether twice as many gained more than chance explains."""
        return self.gain > 0.01 and self.gain > 2 * self.gain_error


def learning_curve(features: FloatArray, labels: IntArray, groups: IntArray) -> LearningCurve | None:
    """The curve of N pictures; None where too few classes have pictures to be held out.

    Args:
        features: (N, D), L2-normalised.
        labels: (N,) class indices.
        groups: (N,) equal for pictures that must stay together.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(40) % 2
        >>> features = rng.normal(size=(40, 8)).astype(np.float32) + labels[:, None]
        >>> curve = learning_curve(features, labels, np.arange(40))
        >>> [point.most for point in curve.points]
        [1, 2, 4, 8, 15]
    """
    rng = np.random.default_rng(SEED)
    splits = [folds_of(labels, groups, SEED + draw, FOLDS) for draw in range(DRAWS)]
    tested = np.flatnonzero(np.all([fold != ALWAYS_TRAINED for fold in splits], axis=0))
    if len(np.unique(labels[tested])) < 2:
        return None
    parts = [(fold, part) for fold in splits for part in np.unique(fold[fold != ALWAYS_TRAINED])]  # few have FOLDS
    largest = max(int(np.bincount(labels[fold != part]).max()) for fold, part in parts)
    sizes = [*(2**power for power in range(16) if 2**power < largest), largest]
    rights, means = zip(*(_at(size, features, labels, splits, rng) for size in sizes), strict=True)
    points = tuple(
        CurvePoint(most=size, mean=mean, accuracy=float(right[tested].mean()), error=standard_error(right[tested]))
        for size, right, mean in zip(sizes, rights, means, strict=True)
    )
    half = max(place for place, size in enumerate(sizes) if size <= _ABOUT_HALF * largest or not place)
    last = (rights[-1] - rights[half])[tested]
    return LearningCurve(
        points=points, half=half, gain=float(last.mean()), gain_error=standard_error(last), tested=len(tested)
    )


def _at(
    size: int, features: FloatArray, labels: IntArray, splits: list[IntArray], rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """(N,) the share of draws in which each picture is right, and the mean number of pictures that train a class."""
    right, means = np.zeros(len(labels), dtype=np.float32), []
    for fold in splits:
        for part in range(FOLDS):
            held = fold == part
            if held.any():
                train = _drawn(~held, labels, size, rng)
                right[held] += _ridge(features[train], labels[train], features[held]) == labels[held]
                means.append(len(train) / len(np.unique(labels[train])))
    return right / np.float32(len(splits)), float(np.mean(means))


def _drawn(allowed: BoolArray, labels: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    """Positions of up to so many pictures of each class."""
    drawn = [rng.permutation(np.flatnonzero(allowed & (labels == label)))[:size] for label in np.unique(labels)]
    return np.concatenate(drawn)


def _ridge(train: FloatArray, labels: IntArray, tested: FloatArray) -> IntArray:
    """What each tested picture is taken for."""
    from sklearn.linear_model import RidgeClassifier

    if len(np.unique(labels)) == 1:
        return np.full(len(tested), labels[0])
    said: IntArray = RidgeClassifier(class_weight="balanced").fit(train, labels).predict(tested)
    return said

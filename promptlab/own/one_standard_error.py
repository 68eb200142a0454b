"""Which of several candidates is taken: the simplest whose held-out accuracy lies within noise of the best one's.

Accuracy is balanced, the mean over classes (scikit-learn's ``balanced_accuracy_score``): how many pictures of a class
somebody had at hand says nothing of how often it will be met, and a learner that gives up the small classes isn't best.
Where classes have equally many pictures it is the share of right ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlab.support.arrays import BoolArray, DoubleArray, FloatArray, IntArray


@dataclass(frozen=True)
class WithinNoise:
    """What was compared, and what came of it.

    Args:
        best: index of the candidate of the highest balanced accuracy, the simplest of equals.
        chosen: of the simplest within noise of it.
        behind: for each candidate, by how much its balanced accuracy lies below the best one's.
        noise: for each, the standard error of that difference.
    """

    best: int
    chosen: int
    behind: tuple[float, ...]
    noise: tuple[float, ...]


def simplest_within_noise(right: Sequence[BoolArray], labels: IntArray, folds: IntArray) -> WithinNoise:
    """The one-standard-error rule on paired differences (Breiman et al., 1984).

    All candidates were scored on the same pictures in the same folds, so what counts is the difference picture by
    picture, each weighted so that all classes count the same. Its standard error is that over the folds' differences
    or over the pictures', whichever is larger: a few folds may agree by chance, and one picture more is never beyond
    noise.

    Args:
        right: for each candidate, the simplest first, (N,) whether it got each held-out picture right.
        labels: (N,) the class of each picture.
        folds: (N,) the fold of each picture.

    Example:
        >>> labels = folds = np.array([0, 0, 1, 1])
        >>> simple, better = np.array([True, False, True, False]), np.array([True, True, True, False])
        >>> simplest_within_noise([simple, better], labels, folds).chosen
        0
        >>> simplest_within_noise([np.zeros(4, bool), better], labels, folds).chosen
        1
    """
    weights = class_weights(labels)
    weighted = [weights * one for one in right]
    best = int(np.argmax(np.round([one.mean() for one in weighted], 12)))  # equal but for rounding is equal
    differences = [weighted[best] - one for one in weighted]
    behind = tuple(float(one.mean()) for one in differences)
    noise = tuple(max(standard_error(one), standard_error(_by_fold(one, folds))) for one in differences)
    within = [lag <= error + 1e-12 for lag, error in zip(behind, noise, strict=True)]  # equal but for rounding
    return WithinNoise(best, within.index(True), behind, noise)


def standard_error(values: DoubleArray | FloatArray) -> float:
    """Of the mean of (N,) values; 0 for a single one, which says nothing of it.

    Example:
        >>> standard_error(np.array([0.0, 1.0])), standard_error(np.array([1.0]))
        (0.5, 0.0)
    """
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def class_weights(labels: IntArray) -> DoubleArray:
    """(N,) weights of mean 1 by which each class that is there counts the same.

    Example:
        >>> class_weights(np.array([0, 0, 0, 2])).round(2).tolist()
        [0.67, 0.67, 0.67, 2.0]
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: DoubleArray = len(labels) / (len(counts) * counts[classes])
    return weights


def _by_fold(values: DoubleArray, folds: IntArray) -> DoubleArray:
    """The mean of each fold."""
    return np.array([values[folds == fold].mean() for fold in np.unique(folds)])

"""Conformal prediction sets: all classes that a picture may well be, with a promised coverage.

Split conformal prediction with the least ambiguous sets ("LAC") of Sadinle, Lei and Wasserman, "Least Ambiguous
Set-Valued Classifiers with Bounded Error Levels", 2019 (https://arxiv.org/abs/1609.00451); class by class ("Mondrian")
it is Vovk's, "Conditional Validity of Inductive Conformal Predictors", 2012 (https://arxiv.org/abs/1209.2673).

The promise, that the set holds the right class with at least the chosen probability, needs held-out pictures and new
ones that come from the same source, and a learner that saw neither. Of folds, each scored by a learner of the others,
it holds only nearly for the learner that was then fitted to all. MAPIE takes scikit-learn
estimators and not probabilities, and has no sets class by class; wrapped in an estimator that hands rows through, its
``SplitConformalClassifier`` (1.6, "lac") gave the same sets in all of 60 draws. The tests hold ours against the
definition.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from promptlab.evaluation.thresholds import share
from promptlab.support.ranges import checked

Coverage = Annotated[float, Interval(gt=0, lt=1)]
"""How often a set holds the right class."""


@checked(leaving=("probabilities", "labels"))
def set_threshold(probabilities: npt.ArrayLike, labels: npt.ArrayLike, coverage: Coverage) -> float:
    """The least probability of a class that is in the set, for a coverage over all classes together.

    It is the k-th smallest of the N held-out pictures' probabilities of their own classes, k being (N + 1) times
    (1 - coverage), rounded down; where the pictures are too few for that, 0, with which every set holds every class.

    Args:
        probabilities: (N, C) of held-out pictures.
        labels: (N,) class indices.
        coverage: for 0.9 at least 9 pictures are needed, for 0.99 at least 99.

    Raises:
        ValueError: for shapes and labels that don't fit.

    Example:
        >>> own = np.linspace(0.1, 0.9, 9)
        >>> set_threshold(np.stack([own, 1 - own], 1), [0] * 9, 0.8)  # (9 + 1) x 0.2 is 2: the second
        0.2
    """
    return _least(_own(probabilities, labels), coverage)


@checked(leaving=("probabilities", "labels"))
def class_set_thresholds(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, coverage: Coverage
) -> npt.NDArray[np.float64]:
    """The same for each class by its own pictures, (C,): then each class is covered, not only all together.

    A class with fewer pictures than its coverage needs has 0, and is in every set.

    Example:
        >>> own = np.linspace(0.1, 0.9, 9)
        >>> class_set_thresholds(np.stack([own, 1 - own], 1), [0] * 9, 0.8)
        array([0.2, 0. ])
    """
    own, of = _own(probabilities, labels), np.asarray(labels)
    classes = range(np.shape(probabilities)[1])
    return np.array([_least(own[of == label], coverage) for label in classes])


@checked()
def pictures_needed(coverage: Coverage) -> int:
    """How many held-out pictures a coverage needs; with fewer, every set holds every class.

    Example:
        >>> pictures_needed(0.9), pictures_needed(0.99)
        (9, 99)
    """
    missed = share(1, 1) - share(coverage, 1)
    return math.ceil(1 / missed) - 1


def prediction_sets(probabilities: npt.ArrayLike, thresholds: float | npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which classes are in each picture's set, (N, C); a set may be empty, where nothing is probable enough.

    Args:
        probabilities: (N, C).
        thresholds: one, or one for each class (C,).

    Example:
        >>> prediction_sets([[0.5, 0.45, 0.05]], 0.2).tolist()
        [[True, True, False]]
    """
    inside: npt.NDArray[np.bool_] = np.asarray(probabilities) >= thresholds
    return inside


def _least(own: npt.NDArray[np.floating], coverage: float) -> float:
    """The k-th smallest."""
    place = math.floor(share(1, len(own) + 1) - share(coverage, len(own) + 1))
    return float(np.sort(own)[place - 1]) if place else 0.0


def _own(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """(N,) each picture's probability of its own class."""
    rows, of = np.asarray(probabilities), np.asarray(labels)
    if rows.ndim != 2 or of.shape != rows.shape[:1]:
        raise ValueError(f"probabilities (N, C) and labels (N,) are needed, got {rows.shape} and {of.shape}")
    if len(of) and not (np.issubdtype(of.dtype, np.integer) and of.min() >= 0 and of.max() < rows.shape[1]):
        raise ValueError(f"labels must be class indices in [0, {rows.shape[1]})")
    own: npt.NDArray[np.floating] = rows[np.arange(len(of)), of]
    return own

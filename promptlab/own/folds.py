"""Which pictures are held out together: stratified folds that no group and no copy lies across."""

from __future__ import annotations

import warnings

import numpy as np

from promptlab.support.arrays import IntArray

MOST_FOLDS = 5
ALWAYS_TRAINED = -1
"""In the place of a fold: of pictures that no fold holds out."""


def folds_of(labels: IntArray, groups: IntArray, seed: int, most: int = MOST_FOLDS) -> IntArray:
    """A fold for each picture, so that every held-out picture's class is trained on in its fold.

    Groups stay together, and classes are spread evenly over the folds, as far as groups allow
    (``sklearn.model_selection.StratifiedGroupKFold``). A class whose pictures would all be held out at once, as that of
    a single picture, keeps its smallest group for training: those pictures are in no fold.

    Args:
        labels: (N,) classes.
        groups: (N,) whole numbers from 0; pictures of one number stay together.
        seed: of the order in which groups are dealt out.
        most: folds, if there are classes of so many groups; there are at least 2.

    Returns:
        (N,) folds numbered from 0 without a gap, :data:`ALWAYS_TRAINED` for pictures that are never held out.

    Example:
        >>> folds_of(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 3, 3, 4]), seed=1, most=2).tolist()
        [0, 1, 1, -1, -1, -1]
    """
    count = min(most, _most_groups(labels, groups))
    if count < 2:
        return np.full(len(labels), ALWAYS_TRAINED)
    return _numbered(_keep_some_of_all(_dealt(labels, groups, seed, count), labels, groups))


def _most_groups(labels: IntArray, groups: IntArray) -> int:
    """Groups of the class that has most of them."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return int(np.unique(pairs[0], return_counts=True)[1].max())


def _dealt(labels: IntArray, groups: IntArray, seed: int, count: int) -> IntArray:
    """Stratified folds; groups are renamed at random, since scikit-learn deals equal ones out in their order."""
    from sklearn.model_selection import StratifiedGroupKFold

    _, members = np.unique(groups, return_inverse=True)
    renamed = np.random.RandomState(seed).permutation(members.max() + 1)[members]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # small classes are dealt with below
        parts = StratifiedGroupKFold(count).split(labels, labels, renamed)
        folds = np.full(len(labels), ALWAYS_TRAINED)
        for fold, (_, held_out) in enumerate(parts):
            folds[held_out] = fold
    return folds


def _keep_some_of_all(folds: IntArray, labels: IntArray, groups: IntArray) -> IntArray:
    """Take a group out of its fold wherever all of a class lies in one; that only adds to what other folds train on."""
    folds = folds.copy()
    for label in np.unique(labels):
        own = labels == label
        if len(np.unique(folds[own])) == 1 and folds[own][0] != ALWAYS_TRAINED:
            of_class, sizes = np.unique(groups[own], return_counts=True)
            folds[groups == of_class[sizes.argmin()]] = ALWAYS_TRAINED
    return folds


def _numbered(folds: IntArray) -> IntArray:
    """Folds that nothing is left in have no number."""
    left = np.unique(folds[folds != ALWAYS_TRAINED])
    return np.where(folds == ALWAYS_TRAINED, ALWAYS_TRAINED, np.searchsorted(left, folds))

"""Few-shot draws that are not of one size: as the dataset has its classes, or with a long tail."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from promptlab.data.amounts import Seed, Shots
from promptlab.data.sampling import MAX_VAL_SHOTS
from promptlab.support.arrays import IntArray

DrawShape = Literal["balanced", "natural", "long_tail"]
"""How many images each class gets: one number for all, by the dataset's proportions, or exponentially fewer."""
Imbalance = Annotated[float, Interval(ge=1, le=1_000_000)]
"""How many times as many images the first class of a long tail has as the last."""


def natural_counts(available: Mapping[int, int], shots: Shots) -> dict[int, int]:
    """By the dataset's proportions, on average ``shots`` of a class, at least one and at most what there is.

    Classes whose share is below one image get one, and the others share the rest; what is left over by rounding down
    goes to the largest remainders, so that the counts add up to ``shots`` times the number of classes.

    Args:
        available: class to its number of training images, at least 1 each.
        shots: the average, or ``"all"``.

    Example:
        >>> natural_counts({0: 60, 1: 30, 2: 2}, shots=5)
        {0: 9, 1: 5, 2: 1}
    """
    total = len(available) * shots if shots != "all" else sum(available.values())
    if total >= sum(available.values()):
        return dict(available)
    counts = dict.fromkeys(available, 1)
    sharing, shares = list(available), dict[int, float]()
    while True:
        budget = total - (len(available) - len(sharing))
        among = sum(available[label] for label in sharing)
        shares = {label: budget * available[label] / among for label in sharing}
        above = [label for label in sharing if shares[label] >= 1]
        if len(above) == len(sharing):
            break
        sharing = above
    counts |= {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: int(shares[label]) - shares[label])
    for label in by_remainder[: total - sum(counts.values())]:
        counts[label] += 1
    return counts


def long_tail_counts(available: Mapping[int, int], shots: Shots, imbalance: float, seed: int) -> dict[int, int]:
    """An exponential profile from ``shots`` images down to ``shots / imbalance``, as CIFAR-LT has it.

    The class in place i of C (0-based) gets ``shots * imbalance ** (-i / (C - 1))`` images, rounded down, at least one
    and at most what there is. Which class is in which place follows from the seed.

    Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples, https://arxiv.org/abs/1901.05555.

    Args:
        available: class to its number of training images, at least 1 each.
        shots: images of the first class, or ``"all"`` that the largest class has.
        imbalance: images of the first class by those of the last.
        seed: of the places.

    Example:
        >>> sorted(long_tail_counts({0: 99, 1: 99, 2: 99}, shots=16, imbalance=16, seed=1).values())
        [1, 4, 16]
    """
    places = sorted(available)
    random.Random(seed).shuffle(places)
    most = max(available.values()) if shots == "all" else shots
    last = max(len(places) - 1, 1)
    wanted = {label: int(most * imbalance ** (-place / last) + 1e-9) for place, label in enumerate(places)}
    return {label: min(max(wanted[label], 1), count) for label, count in available.items()}


def sample_unequal(
    train_labels: Sequence[int] | IntArray,
    val_labels: Sequence[int] | IntArray,
    *,
    draw: DrawShape,
    shots: Shots,
    seed: Seed,
    imbalance: float,
    val_shots: int | None = None,
) -> tuple[list[int], list[int]]:
    """Draw so many training images of each class as the shape says, and as many validation images of each.

    Args:
        train_labels: (N,) labels of the training list.
        val_labels: (V,) labels of the validation list; may be empty.
        draw: ``natural`` or ``long_tail``.
        shots: see :func:`natural_counts` and :func:`long_tail_counts`.
        seed: of the draw.
        imbalance: of a long tail.
        val_shots: validation images per class, min(shots, 4) if None, all of them where ``shots`` is ``"all"``.

    Returns:
        Positions in the training list and positions in the validation list, class by class.

    Example:
        >>> train, val = sample_unequal([0] * 8 + [1] * 2, [0, 1], draw="natural", shots=2, seed=1, imbalance=1)
        >>> sum(place < 8 for place in train), len(train), val
        (3, 4, [0, 1])
    """
    members, held_out = _members(train_labels), _members(val_labels)
    available = {label: len(places) for label, places in members.items()}
    if draw == "natural":
        counts = natural_counts(available, shots)
    else:
        counts = long_tail_counts(available, shots, imbalance, seed)
    stream = random.Random(f"{draw} {seed}")
    train = [place for label in sorted(members) for place in stream.sample(members[label], counts[label])]
    few = len(val_labels) if shots == "all" else val_shots or min(shots, MAX_VAL_SHOTS)
    val = [
        place for label in sorted(held_out) for place in stream.sample(held_out[label], min(few, len(held_out[label])))
    ]
    return train, val


def _members(labels: Sequence[int] | IntArray) -> dict[int, list[int]]:
    array = np.asarray(labels, dtype=np.int64)
    return {int(label): np.flatnonzero(array == label).tolist() for label in np.unique(array)}

"""Draws of papers that take validation images from the training images, as ImageNet has no others."""

from __future__ import annotations

import random
from collections.abc import Sequence

from promptlab.data.amounts import Count, Seed
from promptlab.data.sampling import MAX_VAL_SHOTS, DrawName, by_class
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked

RULES_OF_TRAINING: tuple[DrawName, ...] = ("repeated", "validation_first")
"""Those of the papers that do so where validation images are test images."""


@checked(leaving=("train_labels",))
def sample_from_training(
    train_labels: Sequence[int] | IntArray,
    *,
    shots: Count,
    seed: Seed,
    val_shots: Count | None = None,
    rule: DrawName = "validation_first",
) -> tuple[list[int], list[int]]:
    """Draw training and validation images of each class in one sample of the training list.

    So the papers of :data:`RULES_OF_TRAINING` draw from ImageNet, whose validation images are its test images. They
    draw ``shots + min(shots, 4)`` of a class (CLIP-LoRA) or twice ``shots`` (LP++, ProLIP), of which the first train.

    Args:
        train_labels: (N,) labels of the training list.
        shots: training images per class.
        seed: seed of the draw.
        val_shots: validation images per class, min(shots, 4) if None.
        rule: whose draw.

    Returns:
        Positions of training images and of validation images, all in the training list.

    Raises:
        DatasetError: if a class has fewer images than are drawn of it.

    Example:
        >>> train, val = sample_from_training([0, 0, 0, 1, 1, 1], shots=1, seed=1)
        >>> len(train), len(val), set(train) & set(val)
        (2, 2, set())
    """
    stream, held_out = random.Random(seed), val_shots or min(shots, MAX_VAL_SHOTS)
    count = shots + max(held_out, shots if rule == "repeated" else min(shots, MAX_VAL_SHOTS))
    train: list[int] = []
    val: list[int] = []
    for label, members in by_class(train_labels).items():
        if len(members) < count:
            have = f"class {label} has {len(members)} training images"
            raise DatasetError(f"{have}, and rule={rule} draws {count} of it: give fewer shots")
        drawn = stream.sample(members, count)
        train.extend(drawn[:shots])
        val.extend(drawn[shots : shots + held_out])
    return train, val

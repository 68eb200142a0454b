"""Few-shot draws and base/new classes, as CoOp makes them.

Source: CoOp (arXiv 2109.01134) and Dassl's ``generate_fewshot_dataset``. Training and validation images come from one
random stream, so both are drawn in one call.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

import numpy as np

from promptlab.data.amounts import Count, Seed, Shots
from promptlab.support.arrays import IntArray
from promptlab.support.ranges import checked

MAX_VAL_SHOTS = 4
DrawName = Literal["coop", "repeated", "validation_first", "one_after_the_other"]
"""Whose draw: CoOp's, or one that published numbers of another paper were made with; see :func:`sample_few_shot`."""


@checked(leaving=("train_labels", "val_labels"))
def sample_few_shot(
    train_labels: Sequence[int] | IntArray,
    val_labels: Sequence[int] | IntArray,
    *,
    shots: Shots,
    seed: Seed,
    val_shots: Count | None = None,
    rule: DrawName = "coop",
) -> tuple[list[int], list[int]]:
    """Draw ``shots`` training and ``min(shots, 4)`` validation images per class: CoOp's draw, in CoOp's order.

    Other papers' rules: ``repeated`` fills a class with fewer images up with repetition (LP++, ProLIP);
    ``validation_first`` does so too and draws the validation images before the training images (CLIP-LoRA);
    ``one_after_the_other`` makes the draws of 1, 2, 4, ... images one after the other from one stream, without
    validation images, and fills up with repetition (GDA's few-shot numbers).

    Classes are visited in the order in which the lists first show them, so the draw depends on the order of the split
    file. A class with fewer images than asked for keeps all of them, in their order, and takes nothing from the
    stream; :func:`fewer_than` lists such classes.

    Args:
        train_labels: (N,) labels of the training list.
        val_labels: (V,) labels of the validation list; may be empty.
        shots: images per class, at least 1, or ``"all"`` for both lists whole.
        seed: seed of the draw; CoOp's papers use 1, 2 and 3.
        val_shots: validation images per class, min(shots, 4) if None.
        rule: whose draw.

    Returns:
        Positions in the training list and positions in the validation list.

    Raises:
        ValueError: if ``shots`` is neither ``"all"`` nor a positive whole number, ``seed`` none from 0, or labels
            aren't whole numbers.

    Example:
        >>> sample_few_shot([1, 0, 1, 0, 0], [0, 1], shots=2, seed=1)
        ([0, 2, 3, 1], [0, 1])
    """
    train, val = _as_list(train_labels), _as_list(val_labels)
    if shots == "all":
        return list(range(len(train))), list(range(len(val)))
    stream, held_out = random.Random(seed), val_shots or min(shots, MAX_VAL_SHOTS)
    repeat = rule != "coop"
    if rule == "validation_first":
        first = _draw(val, held_out, stream, repeat)
        return _draw(train, shots, stream, repeat), first
    if rule == "one_after_the_other":
        for fewer in takewhile(lambda count: count < shots, (1, 2, 4, 8, 16)):
            _draw(train, fewer, stream, repeat)
        return _draw(train, shots, stream, repeat), []
    return _draw(train, shots, stream, repeat), _draw(val, held_out, stream, repeat)


@checked(leaving=("train_labels", "val_labels"))
def sample_linear_probe(
    train_labels: Sequence[int] | IntArray,
    val_labels: Sequence[int] | IntArray,
    *,
    shots: Count,
    seed: Seed,
) -> tuple[list[int], list[int]]:
    """Draw ``shots`` training and ``min(shots, 4)`` validation images per class: the draw of CoOp's ``lpclip``.

    It has a stream of its own and so gives other images than :func:`sample_few_shot`. Classes are visited in label
    order; those of the training list are drawn from both lists.

    Args:
        train_labels: (N,) labels of the training list.
        val_labels: (V,) labels of the validation list.
        shots: images per class, at least 1; ``lpclip`` has 1, 2, 4, 8 and 16.
        seed: seed of the draw; ``lpclip`` uses 1 to 10.

    Returns:
        Positions in the training list and positions in the validation list.

    Raises:
        ValueError: if ``shots`` is no positive whole number, or a class has fewer images than are drawn of it.

    Example:
        >>> sample_linear_probe([1, 0, 1, 0, 0], [0, 1], shots=1, seed=1)
        ([1, 2], [0, 1])
    """
    stream = np.random.RandomState(seed)
    classes = np.unique(np.asarray(train_labels, dtype=np.int64))
    drawn: list[list[int]] = []
    for name, labels, n in (("training", train_labels, shots), ("validation", val_labels, min(shots, MAX_VAL_SHOTS))):
        drawn.append([])
        for label in classes:
            members = np.flatnonzero(np.asarray(labels, dtype=np.int64) == label)
            if len(members) < n:
                raise ValueError(f"class {label} has {len(members)} {name} images, {n} are drawn: give fewer shots")
            drawn[-1].extend(stream.choice(members, size=n, replace=False).tolist())
    return drawn[0], drawn[1]


def fewer_than(labels: Sequence[int] | IntArray, shots: Shots) -> dict[int, int]:
    """Classes with fewer images than ``shots``: they train on all they have.

    Args:
        labels: (N,) labels of the training list.
        shots: images per class asked for.

    Returns:
        Number of images by class, of those classes alone, in label order.

    Example:
        >>> fewer_than([0, 0, 1, 2, 2], 2)
        {1: 1}
    """
    if shots == "all":
        return {}
    classes, counts = np.unique(np.asarray(labels, dtype=np.int64), return_counts=True)
    return {int(label): int(count) for label, count in zip(classes, counts, strict=True) if count < shots}


def base_new_classes(n: int) -> tuple[list[int], list[int]]:
    """Split ``n`` classes into base and new halves by label; the odd class is base.

    Args:
        n: number of classes, at least 2.

    Returns:
        Labels of the base classes and labels of the new classes, each in label order.

    Raises:
        ValueError: if there are fewer than two classes.

    Example:
        >>> base_new_classes(5)
        ([0, 1, 2], [3, 4])
    """
    if n < 2:
        raise ValueError(f"base and new classes need at least 2 classes, got {n}")
    middle = (n + 1) // 2
    return list(range(middle)), list(range(middle, n))


def by_class(labels: Sequence[int] | IntArray) -> dict[int, list[int]]:
    """Positions by label, labels in the order in which they first come.

    Example:
        >>> by_class([1, 0, 1])
        {1: [0, 2], 0: [1]}
    """
    positions: dict[int, list[int]] = {}  # the order of a stream's draws depends on that of its keys
    for position, label in enumerate(_as_list(labels)):
        positions.setdefault(label, []).append(position)
    return positions


def _as_list(labels: Sequence[int] | IntArray) -> list[int]:
    array = np.asarray(labels)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"labels must be whole numbers of shape (N,), got {array.dtype} {array.shape}")
    values: list[int] = array.tolist()
    return values


def _draw(labels: list[int], n: int, stream: random.Random, repeat: bool) -> list[int]:
    chosen: list[int] = []
    for members in by_class(labels).values():
        if len(members) >= n:
            chosen.extend(stream.sample(members, n))
        else:
            chosen.extend(stream.choices(members, k=n) if repeat else members)
    return chosen

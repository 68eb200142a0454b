"""How images are held out where nobody's list says so: shares of each class, drawn.

CoOp's rule is 50 % of each class to train on, 20 % for validation and the rest to test, each share rounded. Its shares
stand here once. The draws differ, and stay apart, since Results depend on each of them index for index:

- :func:`cut` shuffles a class by a stream that goes through all classes: CoOp's own way, for benchmarks.
- :func:`draw_split` gives each class a stream of its own, so that nobody's new class changes the others.
- :func:`hold_out` samples positions, and keeps both parts in the order of the list.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from promptlab.support.arrays import IntArray
from promptlab.support.random_streams import draw_stream
from promptlab.support.words import printable

TRAIN_SHARE, VAL_SHARE = 0.5, 0.2
HELD_OUT_SHARE = 0.2
"""Of a training list, where the test list is given."""
FIXED_SEED = 1
"""Of draws that are one and the same for everybody."""
T = TypeVar("T")


def cut(members: Sequence[T], shares: Sequence[float], stream: random.Random) -> list[list[T]]:
    """Shuffle a class and cut it into parts.

    Args:
        members: the class.
        shares: of the first parts, each rounded; the rest is the last part.
        stream: what shuffles; classes follow each other in it.

    Returns:
        A part for each share, and the rest. A small class may leave some empty.

    Example:
        >>> [len(part) for part in cut(range(10), (TRAIN_SHARE, VAL_SHARE), random.Random(1))]
        [5, 2, 3]
    """
    shuffled = list(members)
    stream.shuffle(shuffled)
    ends = np.cumsum([0, *(round(len(shuffled) * share) for share in shares)]).tolist()
    return [shuffled[start:end] for start, end in zip(ends, [*ends[1:], None], strict=True)]


def draw_split(keys: Sequence[str], seed: int) -> list[str]:
    """A split for each image: 50 % train, 20 % val, 30 % test of every class.

    Both shares are rounded, and each class keeps at least one training and one test image. A class is drawn by a
    stream of its own, so that another class's images change nothing about it.

    Args:
        keys: (N,) class of each image.
        seed: of the draw.

    Returns:
        N of ``train``, ``val`` and ``test``.

    Example:
        >>> draw_split(["cat"] * 4, seed=1)
        ['train', 'val', 'test', 'train']
    """
    members: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        members.setdefault(key, []).append(position)
    splits = ["test"] * len(keys)
    for key, positions in members.items():
        n = len(positions)
        n_train = min(max(1, round(TRAIN_SHARE * n)), max(1, n - 1))
        n_val = max(0, min(round(VAL_SHARE * n), n - n_train - 1))
        shuffled = draw_stream(seed, printable(key)).sample(positions, n)
        for rank, position in enumerate(shuffled[: n_train + n_val]):
            splits[position] = "train" if rank < n_train else "val"
    return splits


def hold_out(labels: IntArray, share: float = HELD_OUT_SHARE) -> tuple[list[int], list[int]]:
    """Positions to keep and positions to hold out: a share of each class, at least one, by ``random.Random(1)``.

    Args:
        labels: (N,) labels; a class with a single image keeps it.
        share: of each class's images, rounded.

    Returns:
        Both in the order of ``labels``.

    Example:
        >>> hold_out(np.array([0, 0, 0, 1]), share=0.3)
        ([1, 2, 3], [0])
    """
    stream = random.Random(FIXED_SEED)
    held: set[int] = set()
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label).tolist()
        if len(members) > 1:
            held.update(stream.sample(members, max(1, round(share * len(members)))))
    return [i for i in range(len(labels)) if i not in held], sorted(held)

"""CoOp's rules for datasets without a split file, from a seed of their own.

CoOp shuffles with the run's random stream, so that its rule gives another split for every seed (and, as folders are
listed unsorted, for every machine). Here it is one split: sorted lists and a fixed seed. It isn't CoOp's own file,
which is why ``split_source`` says so.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from promptlab.data.readers.rows import Rows, SplitRows
from promptlab.support.errors import DatasetError

SEED = 1
BUILT = f"built by CoOp's rule (fixed seed {SEED}), not CoOp's own file"
TRAIN, VAL, HELD_OUT = 0.5, 0.2, 0.2


def split_each_class(classes: Iterable[Rows]) -> SplitRows:
    """50 % of each class to train on, 20 % for validation, the rest to test.

    Args:
        classes: the rows of each class.

    Raises:
        DatasetError: if a class is too small to be in all three.
    """
    stream = random.Random(SEED)
    train: list[Any] = []
    val: list[Any] = []
    test: list[Any] = []
    for rows in classes:
        shuffled = list(rows)
        stream.shuffle(shuffled)
        n_train, n_val = round(len(shuffled) * TRAIN), round(len(shuffled) * VAL)
        if not (n_train and n_val and n_train + n_val < len(shuffled)):
            raise DatasetError(f"{_named(shuffled)} has {len(shuffled)} images, too few to split 50/20/30")
        train += shuffled[:n_train]
        val += shuffled[n_train : n_train + n_val]
        test += shuffled[n_train + n_val :]
    return SplitRows(train, val, test, source=BUILT)


def hold_out(trainval: Rows, test: Rows) -> SplitRows:
    """The official test list, and 20 % of each class of the official training list for validation.

    Classes are visited as the training list first shows them.

    Args:
        trainval: rows of the official training list.
        test: rows of the official test list.

    Raises:
        DatasetError: if a class is too small for both.
    """
    stream = random.Random(SEED)
    by_label: dict[int, list[Any]] = {}
    for row in trainval:
        by_label.setdefault(row[1], []).append(row)
    train: list[Any] = []
    val: list[Any] = []
    for rows in by_label.values():
        n_val = round(len(rows) * HELD_OUT)
        if not n_val:
            raise DatasetError(f"{_named(rows)} has {len(rows)} training images, too few to hold 20 % out")
        stream.shuffle(rows)
        val += rows[:n_val]
        train += rows[n_val:]
    return SplitRows(train, val, test, source=BUILT)


def _named(rows: Rows) -> str:
    return f"class {rows[0][2]!r}" if rows else "a class"

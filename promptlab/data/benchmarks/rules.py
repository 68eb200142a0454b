"""CoOp's rules for datasets without a split file, from a seed of their own.

CoOp shuffles with the run's random stream, so that its rule gives another split for every seed (and, as folders are
listed unsorted, for every machine). Here it is one split: sorted lists and a fixed seed. It isn't CoOp's own file,
which is why ``split_source`` says so.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from promptlab.data.hold_out import FIXED_SEED, HELD_OUT_SHARE, TRAIN_SHARE, VAL_SHARE, cut
from promptlab.data.readers.split_rows import Rows, SplitRows
from promptlab.support.errors import DatasetError

BUILT = f"built by CoOp's rule (fixed seed {FIXED_SEED}), not CoOp's own file"


def split_each_class(classes: Iterable[Rows]) -> SplitRows:
    """50 % of each class to train on, 20 % for validation, the rest to test.

    Args:
        classes: the rows of each class.

    Raises:
        DatasetError: if a class is too small to be in all three.
    """
    stream = random.Random(FIXED_SEED)
    train: list[Any] = []
    val: list[Any] = []
    test: list[Any] = []
    for rows in classes:
        parts = cut(rows, (TRAIN_SHARE, VAL_SHARE), stream)
        if not all(parts):
            raise DatasetError(f"{_named(rows)} has {len(rows)} images, too few to split 50/20/30")
        for split, part in zip((train, val, test), parts, strict=True):
            split += part
    return SplitRows(train, val, test, source=BUILT)


def hold_out_val(trainval: Rows, test: Rows) -> SplitRows:
    """The official test list, and 20 % of each class of the official training list for validation.

    Classes are visited as the training list first shows them.

    Args:
        trainval: rows of the official training list.
        test: rows of the official test list.

    Raises:
        DatasetError: if a class is too small for both.
    """
    stream = random.Random(FIXED_SEED)
    by_label: dict[int, list[Any]] = {}
    for row in trainval:
        by_label.setdefault(row[1], []).append(row)
    train: list[Any] = []
    val: list[Any] = []
    for rows in by_label.values():
        held, kept = cut(rows, (HELD_OUT_SHARE,), stream)
        if not held:
            raise DatasetError(f"{_named(rows)} has {len(rows)} training images, too few to hold 20 % out")
        val += held
        train += kept
    return SplitRows(train, val, test, source=BUILT)


def _named(rows: Rows) -> str:
    return f"class {rows[0][2]!r}" if rows else "a class"

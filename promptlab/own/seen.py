"""What is to be seen in somebody's pictures before anything is learned: counts, imbalance, copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptlab.own.folds import ALWAYS_TRAINED
from promptlab.own.given import Given
from promptlab.support.arrays import IntArray
from promptlab.support.words import counted, printable, some_of

UNEVEN = 3
"""The largest class by the smallest, from which on counts are called uneven."""


def seen_in(given: Given, content_ids: Sequence[str], alike: Sequence[tuple[int, int]], folds: IntArray) -> list[str]:
    """Sentences about the pictures.

    Args:
        given: N pictures.
        content_ids: their ids.
        alike: pairs of pictures that look alike, copies to the byte among them.
        folds: which fold holds each out.
    """
    names, labels, files = given.class_names, given.items.labels, given.files
    counts = np.bincount(labels, minlength=len(names))
    said = [_counts(given, counts)]
    there = counts[counts > 0]
    if there.max() >= UNEVEN * there.min():
        few = [f"{names[label]} ({counts[label]})" for label in np.argsort(counts, kind="stable") if counts[label]]
        said.append(f"counts are uneven, {there.max() / there.min():.1f} to 1; the fewest: {some_of(few, 3)}")
    exact = [(i, j) for i, j in alike if content_ids[i] == content_ids[j]]
    near = [(i, j) for i, j in alike if content_ids[i] != content_ids[j]]
    for pairs, what in ((exact, "to the byte"), (near, "to the eye, by 16 x 16 pixels")):
        if pairs:
            copies = sorted({j for _, j in pairs})
            shown = some_of([f"{files[j]} is {files[i]}" for i, j in pairs], 2)
            said.append(f"{counted(len(copies), 'picture is a copy', 'pictures are copies')} {what}, "
                        f"held out together: {shown}")  # fmt: skip
    two = [(i, j) for i, j in alike if labels[i] != labels[j]]
    if two:
        shown = some_of([f"{files[i]} ({names[labels[i]]}) and {files[j]} ({names[labels[j]]})" for i, j in two], 2)
        said.append(f"{counted(len(two), 'pair of copies has', 'pairs of copies have')} two labels: {shown}")
    if given.groups:
        said.append(f"{counted(len(set(given.groups)), 'group')} of pictures that stay together")
    never = int((folds == ALWAYS_TRAINED).sum())
    if never:
        alone = sorted({names[label] for label in labels[folds == ALWAYS_TRAINED]})
        said.append(f"{counted(never, 'picture is', 'pictures are')} always trained on, so that the class has some in "
                    f"every fold: {some_of(alone, 3)}")  # fmt: skip
    return [printable(line) for line in (*said, *given.notes)]


def _counts(given: Given, counts: IntArray) -> str:
    there = counts[counts > 0]
    range_ = f"{there.min()} to {there.max()}" if there.min() < there.max() else f"{there.min()}"
    by_name = len(counts) - len(there)
    more = f", and {counted(by_name, 'name')} without pictures" if by_name else ""
    return f"{counted(len(there), 'class')} of {range_} pictures, {counted(len(given.items), 'picture')} in all{more}"

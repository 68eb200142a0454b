"""What is to be seen in somebody's pictures before anything is learned: counts, imbalance, copies, folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptlab.own.folds import ALWAYS_TRAINED
from promptlab.own.labelled_pictures import LabelledPictures
from promptlab.support.arrays import IntArray
from promptlab.support.words import counted, printable, some_of

UNEVEN = 3
"""The largest class by the smallest, from which on counts are called uneven."""
Pairs = Sequence[tuple[int, int]]


def seen_at_first(given: LabelledPictures, exact: Pairs) -> list[str]:
    """Sentences about the pictures before they are encoded.

    Args:
        given: N pictures.
        exact: pairs of the same content.
    """
    names, counts = given.class_names, np.bincount(given.items.labels, minlength=len(given.class_names))
    there = counts[counts > 0]
    said = [_counts(counts, len(given.items))]
    if there.max() >= UNEVEN * there.min():
        order = [label for label in np.argsort(counts, kind="stable").tolist() if counts[label]]
        few = some_of([f"{names[label]} ({counts[label]})" for label in order], 3)
        said.append(f"counts are uneven, {there.max() / there.min():.1f} to 1; the fewest: {few}")
    said += _copies(given, exact, "to the byte")
    if given.groups:
        said.append(f"{counted(len(set(given.groups)), 'group')} of pictures that stay together")
    return [printable(line) for line in (*said, *given.notes)]


def seen_encoded(given: LabelledPictures, near: Pairs, apart: Pairs, folds: IntArray) -> list[str]:
    """Sentences about what features and folds show.

    Args:
        given: N pictures.
        near: pictures, and a near-copy of each that isn't of the same content.
        apart: near-copies that aren't held out together.
        folds: which fold holds each picture out.
    """
    said = [*_copies(given, near, "to the eye"), *_apart(given, apart), *_two_labels(given, [*near, *apart])]
    never = folds == ALWAYS_TRAINED
    if never.any() and not never.all():
        alone = some_of(sorted({given.class_names[label] for label in given.items.labels[never]}), 3)
        said.append(
            f"{counted(int(never.sum()), 'picture is', 'pictures are')} always trained on and never held out, so that "
            f"no fold lacks a class: {alone}"
        )
    return [printable(line) for line in said]


def _counts(counts: IntArray, pictures: int) -> str:
    there = counts[counts > 0]
    each = f"{there.min()} to {there.max()}" if there.min() < there.max() else f"{there.min()}"
    by_name = len(counts) - len(there)
    more = f", and {counted(by_name, 'name')} without pictures" if by_name else ""
    each += " pictures" if there.max() > 1 else " picture"
    return f"{counted(len(there), 'class')} of {each}, {counted(pictures, 'picture')} in all{more}"


def _copies(given: LabelledPictures, pairs: Pairs, how: str) -> list[str]:
    if not pairs:
        return []
    copies = len({other for _, other in pairs})
    shown = some_of([f"{given.files[other]} of {given.files[one]}" for one, other in pairs], 2)
    return [f"{counted(copies, 'picture is a copy', 'pictures are copies')} {how}, held out together: {shown}"]


def _apart(given: LabelledPictures, pairs: Pairs) -> list[str]:
    if not pairs:
        return []
    shown = some_of([f"{given.files[one]} and {given.files[other]}" for one, other in pairs], 2)
    return [
        f"{counted(len(pairs), 'pair looks', 'pairs look')} alike and may be held out apart, as links of a chain "
        f"like a film's, whose ends differ; a table with a column for --group keeps a film together: {shown}"
    ]


def _two_labels(given: LabelledPictures, pairs: Pairs) -> list[str]:
    """Look-alikes of two classes; readers say it of those of the same content."""
    labels, names, files = given.items.labels, given.class_names, given.files
    two = [(one, other) for one, other in pairs if labels[one] != labels[other]]
    if not two:
        return []
    each = some_of([f"{files[i]} ({names[labels[i]]}) and {files[j]} ({names[labels[j]]})" for i, j in two], 2)
    return [f"{counted(len(two), 'pair of them is', 'pairs of them are')} under two classes: {each}"]

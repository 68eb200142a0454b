"""What labels must be, whatever they were read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.words import counted, printable, some_of


def check_labels(
    splits: Mapping[str, IntArray],
    class_names: Sequence[str],
    *,
    where: str,
    test_only: bool = False,
    train_only: bool = False,
) -> None:
    """Make sure that labels are 0 to C-1 and that every class has training images.

    A class without validation or test images is allowed: it has no part in those metrics. In a dataset that has test
    images alone, every class needs those.

    Args:
        splits: (N,) labels by split; ``train`` and ``test`` must not be empty.
        class_names: C names by label.
        where: what the message begins with.
        test_only: the dataset has test images alone: ``train`` may be empty.
        train_only: nothing is to be tested: ``test`` may be empty.

    Raises:
        DatasetError: if a label is out of range or starts at 1, a split or a class is empty, or a name is, or no text.
    """
    n_classes = len(class_names)
    needed = ("test",) if test_only else ("train",) if train_only else ("train", "test")
    for split in needed:
        if not len(splits[split]):
            raise DatasetError(f"{where}: the {split} list is empty")
    everything = np.concatenate(list(splits.values()))
    if everything.min() == 1 and everything.max() == n_classes:
        raise DatasetError(f"{where}: labels run from 1 to {n_classes}; they must start at 0. Subtract 1 from each.")
    for split, labels in splits.items():
        outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
        if len(outside):
            raise DatasetError(
                f"{where}: {counted(len(outside), f'{split} label lies', f'{split} labels lie')} outside 0 to "
                f"{n_classes - 1} ({n_classes} classes); "
                f"the first is {int(labels[outside[0]])}, at position {int(outside[0])}"
            )
    empty = np.flatnonzero(np.bincount(splits[needed[0]], minlength=n_classes) == 0).tolist()
    if empty:
        listed = some_of([f"{label} ({class_names[label] or 'no name'})" for label in empty])
        lacking, what = counted(len(empty), "class has", "classes have"), "test" if test_only else "training"
        raise DatasetError(f"{where}: {lacking} no {what} images: {listed}")
    nameless = [label for label, name in enumerate(class_names) if not name.strip()]
    if nameless:
        raise DatasetError(f"{where}: classes without a name: {nameless[:5]}")
    undecoded = [name for name in class_names if printable(name) != name]
    if undecoded:
        raise DatasetError(
            f"{where}: {_why_not_shown(undecoded)}: {printable(some_of(undecoded))}. Rename what is read, or give "
            "names: dataset.class_names=FILE, one name per line"
        )


def _why_not_shown(names: Sequence[str]) -> str:
    """What is wrong with names that can't be shown as they are: bytes that are no text, or signs for a screen."""
    if any("\ud800" <= sign <= "\udfff" for name in names for sign in name):
        return f"{counted(len(names), 'class name is', 'class names are')} no UTF-8"
    return f"{counted(len(names), 'class name holds', 'class names hold')} signs that can't be seen"


def refuse_single_class(class_names: Sequence[str], what: str, origins: Sequence[str] = ()) -> None:
    """Refuse a label space of one class.

    Args:
        class_names: the label space.
        what: what the message begins with.
        origins: for each class what it was read from.

    Raises:
        DatasetError: if there are fewer than two classes.

    Example:
        >>> refuse_single_class(["cat"], "pets")
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: pets: there is one class, cat: with one class no answer could be wrong
    """
    if len(class_names) < 2:
        named = f"one class, {class_names[0]}" if class_names else "no class"
        way_out = f", read from {origins[0]}: dataset.path may be one folder too high or too low" if origins else ""
        raise DatasetError(f"{what}: there is {named}: with one class no answer could be wrong{way_out}")

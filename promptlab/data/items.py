"""What a dataset is to the rest of promptlab: labelled positions in a source of images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from promptlab.support.arrays import IntArray

SPLITS = ("train", "val", "test")
"""The three lists of a dataset."""


@runtime_checkable
class ImageSource(Protocol):
    """Images by index: files on disk, rendered pictures, rows of somebody's own features.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> source = demo_dataset("demo_textures").train.source
        >>> isinstance(source, ImageSource), source.open(0).size, source.describe(0)
        (True, (32, 32), 'red striped pattern #1561340549')
    """

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def open(self, index: int) -> Image.Image:
        """Decode one image.

        Raises:
            DatasetError: if it can't be read; the message names it.
        """
        ...

    def describe(self, index: int) -> str:
        """A name to show to people: a relative path, or a description."""
        ...

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids (hexadecimal) that are equal exactly when the contents are equal."""
        ...


@dataclass(frozen=True)
class Items:
    """Labelled images: positions in a source, and a label for each.

    Args:
        source: where the images are.
        indices: (N,) positions in ``source``.
        labels: (N,) class indices, 0-based.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> items = demo_dataset("demo_textures").train
        >>> len(items), len(items.take([0, 1])), len(items.of_classes([3]))
        (384, 2, 32)
    """

    source: ImageSource
    indices: IntArray
    labels: IntArray

    def __post_init__(self) -> None:
        if self.indices.shape != self.labels.shape or self.indices.ndim != 1:
            raise ValueError(
                f"Items need one label per index, got {self.indices.shape} indices and {self.labels.shape} labels"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, positions: Sequence[int] | IntArray) -> Items:
        """The items at these positions, in this order."""
        rows = np.asarray(positions, dtype=np.int64)
        return replace(self, indices=self.indices[rows], labels=self.labels[rows])

    def of_classes(self, classes: Sequence[int]) -> Items:
        """The items whose label is in ``classes``, relabelled to the position in ``classes``."""
        if len(self) == 0:
            return self
        relabel = np.full(max(int(self.labels.max()), *classes) + 1, -1, dtype=np.int64)
        relabel[list(classes)] = np.arange(len(classes))
        keep = relabel[self.labels] >= 0
        return replace(self, indices=self.indices[keep], labels=relabel[self.labels[keep]])

    def only(self, classes: Collection[int]) -> Items:
        """The items whose label is in ``classes``, with their labels as they are."""
        return self.take(np.flatnonzero(np.isin(self.labels, list(classes))))

    def content_ids(self) -> list[str]:
        """One content id per item, in order."""
        return self.source.content_ids(self.indices)


@dataclass(frozen=True)
class Dataset:
    """A benchmark dataset: three splits over one list of classes.

    Args:
        name: the field's name for it, e.g. ``oxford_pets``.
        class_names: names by label; classes are keyed by index, names may repeat.
        template: the hand-written prompt with ``{}`` for the class name.
        train: training items.
        val: validation items (may be empty).
        test: test items.
        split_source: where the split comes from, e.g. ``coop``; shown in the Result.
        split_hash: hash of the split's contents, shown in the Result.
        val_is_test: True where validation and test are the same images, so that nothing may be chosen on them.
        class_keys: ids that mean the same class in other datasets (ImageNet's wnids), or empty.
        unseen: classes that a generalised zero-shot benchmark gives no training images; their test images are in
            ``test`` with those of the others. Empty for every other dataset.
        development: a split of the training images alone, over the same classes, with held-out classes as its
            ``unseen``: where a calibration can be chosen. None where there is none.
        class_origins: for each class what it was read from, to show to people: its folder, its label in a table.
            Empty where a benchmark's own list says it.
        notes: what a reader of every Result on this dataset needs to know, e.g. names that are equal as prompts.
        drawn: True where the split was drawn from one list, so that somebody who only tests may take all of it.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> data = demo_dataset("demo_textures")
        >>> data.class_names[0], data.template, len(data.train), len(data.val), len(data.test)
        ('red striped pattern', 'a photo of a {}.', 384, 192, 720)
    """

    name: str
    class_names: tuple[str, ...]
    template: str
    train: Items
    val: Items
    test: Items
    split_source: str
    split_hash: str
    val_is_test: bool = False
    class_keys: tuple[str, ...] = ()
    unseen: tuple[int, ...] = ()
    development: Dataset | None = None
    class_origins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    drawn: bool = False

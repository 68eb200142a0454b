"""A look at every image of a dataset before it is used: what can't be read, and what is in two lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from promptlab.data.feature_files import FeatureRows
from promptlab.data.items import Dataset, DatasetError, ImageSource, Items
from promptlab.data.own_images import counted, refuse
from promptlab.data.progress import image_progress
from promptlab.data.rows import SPLITS

_CHUNK = 256
_SHOW_FROM = 500


@dataclass(frozen=True)
class Validation:
    """What was found.

    Args:
        images: how many distinct images were looked at.
        problems: images that can't be read, one message each; a run would stop at them.
        warnings: the same image in training and test lists, or under two classes.
    """

    images: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def refuse(self) -> None:
        """Raise if there are problems.

        Raises:
            DatasetError: naming every image that can't be read.
        """
        refuse("the images can't be used as they are", self.problems)


def validate(dataset: Dataset, *, progress: bool = True) -> Validation:
    """Decode every image of a dataset, and compare the lists by content.

    Args:
        dataset: any; of somebody's features, which were checked when they were read, only the lists are compared.
        progress: whether to show a bar for many images.

    Returns:
        Problems and warnings; :meth:`Validation.refuse` raises the former.
    """
    parts = {split: getattr(dataset, split) for split in SPLITS}
    problems: list[str] = []
    images = 0
    readable: dict[int, set[int]] = {}
    for source in {id(items.source): items.source for items in parts.values()}.values():
        of_source = [items.indices for items in parts.values() if items.source is source]
        indices = np.unique(np.concatenate(of_source)).tolist()
        messages = _unreadable(source, indices, progress)
        problems += messages.values()
        readable[id(source)] = set(indices) - messages.keys()
        images += len(indices)
    kept = {split: _readable(items, readable[id(items.source)]) for split, items in parts.items()}
    return Validation(images, tuple(problems), tuple(_warnings(dataset, kept)))


def _unreadable(source: ImageSource, indices: Sequence[int], progress: bool) -> dict[int, str]:
    """A message for each image that can't be decoded."""
    if isinstance(source, FeatureRows):
        return {}

    def message(index: int) -> str | None:
        try:
            source.open(index).close()
        except DatasetError as error:
            return str(error)
        return None

    found: dict[int, str] = {}
    show = progress and len(indices) >= _SHOW_FROM
    with (
        image_progress("reading images", len(indices), show) as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            for index, text in zip(chunk, pool.map(message, chunk), strict=True):
                if text is not None:
                    found[index] = text
            advance(len(chunk))
    return found


def _readable(items: Items, indices: set[int]) -> Items:
    return items.take([place for place, index in enumerate(items.indices.tolist()) if index in indices])


def _warnings(dataset: Dataset, parts: dict[str, Items]) -> list[str]:
    """Training images among the others, and images under two classes, by content."""
    first: dict[str, tuple[str, int, str]] = {}
    leaked: dict[str, list[str]] = {"val": [], "test": []}
    two_classes: list[str] = []
    for split in SPLITS:
        items = parts[split]
        rows = zip(items.content_ids(), items.indices.tolist(), items.labels.tolist(), strict=True)
        for content, index, label in rows:
            name = items.source.describe(index)
            earlier_split, earlier_label, earlier_name = first.setdefault(content, (split, label, name))
            if earlier_split == "train" and split != "train":
                leaked[split].append(f"{name} is {earlier_name}")
            if earlier_label != label:
                names = dataset.class_names[earlier_label], dataset.class_names[label]
                two_classes.append(f"{earlier_name} ({names[0]}) is {name} ({names[1]})")
    warnings = counted("test images are training images too", leaked["test"])
    warnings += counted("validation images are training images too", leaked["val"])
    return warnings + counted("images are under two classes", two_classes)

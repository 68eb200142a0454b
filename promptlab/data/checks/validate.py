"""A look at every image of a dataset before it is used: what can't be read, and what is in two lists."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from promptlab.data.checks.decoding import unreadable
from promptlab.data.checks.problems import counted, refuse
from promptlab.data.items import SPLITS, Dataset, Items

log = logging.getLogger(__name__)


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
        messages = unreadable(source, indices, progress=progress)
        problems += messages.values()
        readable[id(source)] = set(indices) - messages.keys()
        images += len(indices)
    kept = {split: _readable(items, readable[id(items.source)]) for split, items in parts.items()}
    return Validation(images, tuple(problems), tuple(_warnings(dataset, kept)))


def warn_of_copies(dataset: Dataset) -> None:
    """Log a warning with the list of images that are in two lists or under two classes, by content.

    Args:
        dataset: with images that can be read.
    """
    for warning in _warnings(dataset, {split: getattr(dataset, split) for split in SPLITS}):
        log.warning("dataset %s: %s", dataset.name, warning)


def _readable(items: Items, indices: set[int]) -> Items:
    return items.take([position for position, index in enumerate(items.indices.tolist()) if index in indices])


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

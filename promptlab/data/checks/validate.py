"""A look at every image of a dataset before it is used: what can't be read, and what is in two lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from promptlab.data.checks.decoding import look_at
from promptlab.data.checks.problems import Finding, refuse
from promptlab.data.items import SPLITS, Dataset, Items


@dataclass(frozen=True)
class Validation:
    """What was found.

    Args:
        images: how many distinct images were looked at.
        problems: images that can't be read, one message each; a run would stop at them.
        warnings: the same image in training and test lists, or under two classes.
        remarks: what is unusual about images that can be read: of one colour, or of values that had to be guessed.
    """

    images: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def refuse(self) -> None:
        """Raise if there are problems.

        Raises:
            DatasetError: naming every image that can't be read.
        """
        refuse("the images can't be used as they are", self.problems)


def validate(dataset: Dataset) -> Validation:
    """Decode every image of a dataset, and compare the lists by content.

    Args:
        dataset: any; of somebody's features, which were checked when they were read, only the lists are compared.

    Returns:
        Problems and warnings; :meth:`Validation.refuse` raises the former.
    """
    parts = {split: getattr(dataset, split) for split in SPLITS}
    problems: list[str] = []
    remarks: list[str] = []
    images = 0
    readable: dict[int, set[int]] = {}
    for source in {id(items.source): items.source for items in parts.values()}.values():
        of_source = [items.indices for items in parts.values() if items.source is source]
        indices = np.unique(np.concatenate(of_source)).tolist()
        found = look_at(source, indices)
        problems += found.problems
        remarks += [finding.line() for finding in found.findings(source.describe)]
        readable[id(source)] = set(indices) - found.errors.keys()
        images += len(indices)
    kept = {split: _readable(items, readable[id(items.source)]) for split, items in parts.items()}
    warnings = [finding.line() for finding in copies_in(dataset, kept)]
    return Validation(images, tuple(problems), tuple(warnings), tuple(remarks))


def copies_in(dataset: Dataset, parts: Mapping[str, Items] | None = None) -> list[Finding]:
    """Training images among the others, and images under two classes, by content.

    Args:
        dataset: with images, or somebody's features.
        parts: those of its items that can be read, by split; all of them if None.
    """
    parts = parts or {split: getattr(dataset, split) for split in SPLITS}
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
    found = {
        ("test image is a training image too", "test images are training images too"): leaked["test"],
        ("validation image is a training image too", "validation images are training images too"): leaked["val"],
        ("image is under two classes", "images are under two classes"): two_classes,
    }
    return [Finding(one, more, tuple(names)) for (one, more), names in found.items() if names]


def _readable(items: Items, indices: set[int]) -> Items:
    return items.take([position for position, index in enumerate(items.indices.tolist()) if index in indices])

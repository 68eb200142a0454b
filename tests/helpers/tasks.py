"""Datasets in miniature, of images that are never opened."""

from dataclasses import replace

import numpy as np

from promptlab.data.items import Dataset, Items
from promptlab.demo.datasets import demo_dataset


def some_classes(dataset: Dataset, classes, **changes) -> Dataset:
    """The dataset with some of its classes, in this order, relabelled."""
    splits = {name: getattr(dataset, name).of_classes(classes) for name in ("train", "val", "test")}
    names = tuple(dataset.class_names[label] for label in classes)
    return replace(dataset, class_names=names, **splits, **changes)


def labels_of(items: Items) -> set[int]:
    return set(np.unique(items.labels).tolist())


def shapes() -> Dataset:
    return demo_dataset("demo_shapes")

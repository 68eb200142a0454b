"""Which of a dataset's lists are tested, where a user says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from promptlab.data.items import Dataset
from promptlab.support.errors import DatasetError

Test = Literal["all", "none", "val"]
"""All images and none trains; none; those of the validation list."""
SAID_OF: Mapping[Test | None, str] = {"all": "all images are test images", "none": "no image is a test image"}
"""Where the split comes from then, for people."""
T = TypeVar("T")


def with_test(dataset: Dataset, test: Test | None) -> Dataset:
    """A dataset with the test images that were asked for.

    Args:
        dataset: as it was read.
        test: ``all`` of its images and none trains; ``none``, so that all train where the split was drawn; those of
            ``val``; as it is if None.

    Raises:
        DatasetError: if there are no validation images to test on.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> data = with_test(demo_dataset("demo_textures"), "all")
        >>> len(data.train), len(data.test)
        (0, 1296)
    """
    if test is None:
        return dataset
    nothing = dataset.train.take([])
    if test == "val" and not len(dataset.val):
        raise DatasetError(f"dataset {dataset.name}: dataset.test=val, but there are no validation images")
    if test == "val":
        return replace(dataset, test=dataset.val, val=nothing, val_is_test=False)
    if test == "none" and not dataset.drawn:
        return replace(dataset, test=nothing, val_is_test=False)
    parts = (dataset.train, dataset.val, dataset.test)
    indices, firsts = np.unique(np.concatenate([part.indices for part in parts]), return_index=True)
    labels = np.concatenate([part.labels for part in parts])[firsts]
    whole = replace(dataset.test, indices=indices, labels=labels)
    train, of_test = (nothing, whole) if test == "all" else (whole, nothing)
    return replace(
        dataset, train=train, val=nothing, test=of_test, split_source=SAID_OF[test], val_is_test=False, drawn=False
    )


def tested(lists: Mapping[str, list[T]], test: Test | None) -> dict[str, list[T]]:
    """The lists with the test list that was asked for.

    Args:
        lists: rows by split, in one list ``""`` where the split is to be drawn.
        test: what is tested; as it is if None.

    Example:
        >>> tested({"train": [1, 2], "val": [3], "test": []}, "val")
        {'train': [1, 2], 'val': [], 'test': [3]}
        >>> tested({"": [1, 2]}, "all"), tested({"": [1, 2]}, "none")
        ({'train': [], 'val': [], 'test': [1, 2]}, {'train': [1, 2], 'val': [], 'test': []})
    """
    if test is None:
        return dict(lists)
    train, val = lists.get("train", []) + lists.get("", []), lists.get("val", [])
    if test == "all":
        return {"train": [], "val": [], "test": train + val + lists.get("test", [])}
    if test == "none":
        return {"train": train, "val": val, "test": []}
    return {"train": train, "val": [], "test": val}

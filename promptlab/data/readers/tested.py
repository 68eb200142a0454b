"""Which of a dataset's lists are tested, where a user says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

Test = Literal["all", "none", "val"]
"""All images and none trains; none; those of the validation list."""
T = TypeVar("T")


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

"""Rows that a list gives twice: each image counts once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from promptlab.data.items import SPLITS, Dataset, Items
from promptlab.support.words import some_of

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Sequence[Any])


def each_once(lists: Mapping[str, Sequence[Row]]) -> tuple[dict[str, list[Row]], tuple[str, ...]]:
    """Lists without the rows that stand in them already, and a note of how many those were.

    Args:
        lists: by split, rows that begin with a path; the same image under another label is another row.

    Example:
        >>> each_once({"train": [("1.png", "cat"), ("1.png", "cat")], "test": [("2.png", "cat")]})
        ({'train': [('1.png', 'cat')], 'test': [('2.png', 'cat')]}, ('1 row repeats another and is left out: 1.png',))
    """
    kept: dict[str, list[Row]] = {}
    left_out: list[str] = []
    for split, rows in lists.items():
        seen: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            if tuple(row) in seen:
                left_out.append(row[0])
            else:
                seen[tuple(row)] = row
        kept[split] = list(seen.values())
    return kept, _note(left_out)


def without_repeated_rows(dataset: Dataset) -> Dataset:
    """A dataset without the images that are in a list already, by content and under the same label; it says so."""
    parts: dict[str, Items] = {}
    left_out: list[str] = []
    for split in SPLITS:
        items: Items = getattr(dataset, split)
        first: dict[tuple[str, int], int] = {}
        for position, row in enumerate(zip(items.content_ids(), items.labels.tolist(), strict=True)):
            if first.setdefault(row, position) != position:
                left_out.append(items.source.describe(int(items.indices[position])))
        parts[split] = items.take(list(first.values()))
    for note in _note(left_out):
        log.warning("dataset %s: %s", dataset.name, note)
    if not left_out:
        return dataset
    train, val, test = (parts[split] for split in SPLITS)
    return replace(dataset, train=train, val=val, test=test, notes=(*dataset.notes, *_note(left_out)))


def _note(left_out: Sequence[str]) -> tuple[str, ...]:
    if not left_out:
        return ()
    counted = "1 row repeats another and is" if len(left_out) == 1 else f"{len(left_out)} rows repeat others and are"
    return (f"{counted} left out: {some_of(list(dict.fromkeys(left_out)), 3)}",)

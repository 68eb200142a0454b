"""What a dataset looks like on this disk, beside what its configuration says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from promptlab.data.checks.validate import validate
from promptlab.data.items import Dataset
from promptlab.data.prepare.sources import ByHand, Sources, find, is_needed
from promptlab.data.sources.files import FileImages
from promptlab.support.errors import DatasetError
from promptlab.support.words import shortened

State = Literal["ok", "missing", "differs", "note"]
PROBLEMS_LISTED = 20


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        state: ``ok``; ``missing``: it isn't there or can't be used; ``differs``: it isn't the benchmark's; ``note``:
            neither good nor bad.
        what: the thing.
        said: what was found, in words.

    Example:
        >>> Finding("ok", "classes", "47").state
        'ok'
    """

    state: State
    what: str
    said: str


def examine(
    node: Mapping[str, Any],
    open_dataset: Callable[[], Dataset],
    sources: Sources,
    *,
    decode: bool | None = None,
) -> Iterator[Finding]:
    """Look at a dataset's files, lists and images.

    Args:
        node: its configuration, with the numbers of its ``about`` block.
        open_dataset: reads it.
        sources: where its files come from.
        decode: whether to read every image; if None, those of a dataset without known numbers: somebody's own.

    Yields:
        Findings, as they are made.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> node = {"name": "demo_textures", "about": {"classes": 12}}
        >>> for found in examine(node, lambda: demo_dataset("demo_textures"), Sources()):
        ...     print(found.state, found.what, found.said.split(",")[0])
        ok classes 12
        note train 384
        note val 192
        note test 720
        note split demo
    """
    about = node.get("about") or {}
    yield from _files(node, sources)
    try:
        dataset = open_dataset()
    except DatasetError as error:
        yield Finding("missing", "run", f"would stop: {error}")
        return
    yield from _counts(dataset, about)
    own = "classes" not in about
    yield from _decoded(dataset) if decode or (decode is None and own) else _listed(dataset)
    yield Finding("note", "split", f"{dataset.split_source}, hash {dataset.split_hash} as in Results")


def layouts_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The image folders that a dataset's reader looks into, below ``data.root``."""
    return tuple(node.get("folders") or ())


def lacking(node: Mapping[str, Any], sources: Sources) -> list[ByHand]:
    """What is not there and has to be fetched by hand."""
    root, layouts = root_of(node), layouts_of(node)
    return [item for item in sources.by_hand if is_needed(item, root, layouts) and not find(root, item.to, layouts)]


def root_of(node: Mapping[str, Any]) -> Path:
    """The folder of datasets."""
    return Path(os.path.normpath(Path(node.get("root") or ".").expanduser().absolute()))


def _files(node: Mapping[str, Any], sources: Sources) -> Iterator[Finding]:
    """The files that the dataset consists of."""
    root, layouts = root_of(node), layouts_of(node)
    of_remotes = [(place, "", is_needed(it, root, layouts)) for it in sources.download for place in it.place.values()]
    of_steps = [(step.to, step.note, is_needed(step, root, layouts)) for step in sources.by_hand]
    for place, note, needed in of_remotes + of_steps:
        found = find(root, place, layouts)
        if found:
            yield Finding("ok", "file", str(found.relative_to(root)))
        elif needed:
            name = Path(place).name
            yield Finding("missing", "file", f"{name} belongs at {root / place}" + (f"; {note}" if note else ""))


def _counts(dataset: Dataset, about: Mapping[str, Any]) -> Iterator[Finding]:
    found = {
        "classes": len(dataset.class_names),
        "train": len(dataset.train),
        "val": len(dataset.val),
        "test": len(dataset.test),
        "seen": len(dataset.class_names) - len(dataset.unseen),
        "unseen": len(dataset.unseen),
        "images": len(dataset.train) + len(dataset.test) + len(dataset.val) * (not dataset.val_is_test),
    }
    for key, count in found.items():
        expected = about.get(key)
        if expected is not None:
            same = count == expected
            yield Finding("ok" if same else "differs", key, f"{count:,}" + f" instead of {expected:,}" * (not same))
        elif key == "classes" and count < 2:
            yield Finding("differs", key, f"{count}: with one class no answer could be wrong; is the path one folder "
                                          "too high or too low?")  # fmt: skip
        elif key in ("classes", "train", "val", "test"):
            yield Finding("note", key, f"{count:,}")


def _listed(dataset: Dataset) -> Iterator[Finding]:
    """Whether every listed image is there: each folder is listed once, no file is touched."""
    source = dataset.train.source
    if not isinstance(source, FileImages):
        return
    indices = np.concatenate([items.indices for items in (dataset.train, dataset.val, dataset.test)])
    try:
        source.check(indices)
    except DatasetError as error:
        yield Finding("missing", "image files", str(error))
    else:
        yield Finding("ok", "image files", "every listed one is there")


def _decoded(dataset: Dataset) -> Iterator[Finding]:
    """Every image read, and the lists compared by content."""
    found = validate(dataset)
    for problem in shortened(found.problems, PROBLEMS_LISTED):
        yield Finding("missing", "image", problem)
    for warning in found.warnings:
        yield Finding("differs", "lists", warning)
    for remark in found.remarks:
        yield Finding("note", "images", remark)
    if not found.problems:
        yield Finding("ok", "image files", f"{found.images:,}, each can be read")

"""CoOp's layout on disk: a folder of images and a split file that lists them.

A split file is ``{"train": [[path, label, class name], ...], "val": [...], "test": [...]}``, with paths relative to the
image folder. Its order matters: the few-shot draw follows it. Labels are what classes are keyed by; two classes may
share a name, one class may not have two.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.data.images import FileImages
from promptlab.data.items import Dataset, DatasetError, IntArray, Items
from promptlab.data.labels import check_labels
from promptlab.data.templates import check_template, template_for

SPLITS = ("train", "val", "test")


def read_coop_split(
    name: str,
    root: str | Path | None,
    *,
    folder: str,
    split_file: str,
    image_folder: str,
    template: str | None = None,
    n_classes: int | None = None,
) -> Dataset:
    """Read a dataset that lies as CoOp's DATASETS.md prescribes.

    No image is touched; missing ones are reported when a run asks for them, all at once and before it trains. A class
    needs training images, may lack validation or test images, and may have fewer images than ``shots`` (it then
    trains on all it has, see :func:`promptlab.data.fewer_than`).

    Args:
        name: the dataset's name as CoOp spells it, e.g. ``eurosat``.
        root: the folder that holds all datasets.
        folder: the dataset's folder under ``root``.
        split_file: the split file's name, in ``folder``.
        image_folder: the folder of images, in ``folder``; the split file's paths are relative to it.
        template: the hand-written prompt with ``{}``; CoOp's for this name if None.
        n_classes: C, where it should be checked; taken from the training list if None.

    Returns:
        The dataset.

    Raises:
        DatasetError: if the folder or the split file is missing or not as it should be; the message says what to do.
    """
    base = _existing_folder(name, root, folder)
    path = base / split_file
    if not path.is_file():
        raise DatasetError(
            f"{name}: split file is missing. It belongs at {path} (see the links in CoOp's DATASETS.md)."
        )
    rows, split_hash = _read_rows(path)
    val_is_test = bool(rows["val"]) and [row[0] for row in rows["val"]] == [row[0] for row in rows["test"]]
    labels = {split: _labels(rows[split], path) for split in SPLITS}
    class_names = _class_names(rows, labels, n_classes, path)
    check_labels(labels, class_names, where=f"{name} ({path})")
    source = FileImages(base / image_folder, _relative_paths(rows, path))
    starts = dict(zip(SPLITS, np.cumsum([0, len(labels["train"]), len(labels["val"])]).tolist(), strict=True))
    items = {
        split: Items(source, np.arange(starts[split], starts[split] + len(labels[split])), labels[split])
        for split in SPLITS
    }
    return Dataset(
        name=name,
        class_names=class_names,
        template=check_template(template if template is not None else template_for(name)),
        train=items["train"],
        val=items["val"],
        test=items["test"],
        split_source=f"coop ({split_file})",
        split_hash=split_hash,
        val_is_test=val_is_test,
    )


def _existing_folder(name: str, root: str | Path | None, folder: str) -> Path:
    if not root:
        raise DatasetError(
            f"{name} needs the folder of your datasets: set data.root=FOLDER (images in FOLDER/{folder})"
        )
    base = Path(root).expanduser().absolute()
    if not base.is_dir():
        raise DatasetError(f"{name}: the folder of datasets does not exist: {base}. Set data.root to the right one.")
    if not (base / folder).is_dir():
        raise DatasetError(f"{name}: its folder is missing. It belongs at {base / folder} (see CoOp's DATASETS.md).")
    return base / folder


def _read_rows(path: Path) -> tuple[dict[str, list[list[Any]]], str]:
    """The lists of a split file, each item checked, and the hash of its bytes."""
    data = path.read_bytes()
    try:
        rows = json.loads(data)
    except ValueError as error:
        raise DatasetError(f"split file is not valid JSON: {path} ({error}). Fetch it again.") from error
    if not isinstance(rows, dict) or not all(isinstance(rows.get(split), list) for split in SPLITS):
        raise DatasetError(f"split file needs the lists {', '.join(SPLITS)}: {path}")
    for split in SPLITS:
        for position, row in enumerate(rows[split]):
            if not (type(row) is list and len(row) == 3 and [type(value) for value in row] == [str, int, str]):
                raise DatasetError(
                    f"split file {path}: item {position} of {split} is {row!r}; it should be [path, label, class name]"
                )
    return rows, hashlib.sha256(data).hexdigest()[:32]


def _labels(rows: list[list[Any]], path: Path) -> IntArray:
    try:
        return np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows))
    except OverflowError as error:
        raise DatasetError(f"split file {path}: a label is too large to be one") from error


def _class_names(
    rows: dict[str, list[list[Any]]], labels: dict[str, IntArray], n_classes: int | None, path: Path
) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for split in SPLITS:
        for _, label, name in rows[split]:
            if names.setdefault(label, name) != name:
                raise DatasetError(f"split file {path}: label {label} has two names, {names[label]!r} and {name!r}")
    if n_classes is None:
        from_one = bool(names) and min(names) == 1
        n_classes = len(names) if from_one else int(max(labels["train"], default=-1)) + 1
    return tuple(names.get(label, "") for label in range(n_classes))


def _relative_paths(rows: dict[str, list[list[Any]]], path: Path) -> list[str]:
    names = [row[0] for split in SPLITS for row in rows[split]]
    for name in names:
        if not name or name[0] == "/" or (".." in name and ".." in name.split("/")):
            raise DatasetError(f"split file {path}: {name!r} should be a path inside the image folder, relative to it")
    return names

"""CoOp's layout on disk: a folder of images and a split file that lists them.

A split file is ``{"train": [[path, label, class name], ...], "val": [...], "test": [...]}``, with paths relative to the
image folder. Its order matters: the few-shot draw follows it. Labels are what classes are keyed by; two classes may
share a name, one class may not have two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from promptlab.data.datasets_folder import existing_folder
from promptlab.data.hashing import content_id
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.readers.repeated_rows import each_once
from promptlab.data.readers.split_rows import SplitRows, dataset_of_rows
from promptlab.support import reads
from promptlab.support.errors import DatasetError
from promptlab.support.json_texts import read_json_text
from promptlab.support.pointers import refuse_pointer
from promptlab.support.texts import decoded


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
    """Read a dataset of your own that lies as CoOp's DATASETS.md prescribes.

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

    Example:
        >>> import json, tempfile
        >>> root = tempfile.TemporaryDirectory()
        >>> rows = [["1.png", 0, "cat"], ["2.png", 1, "dog"]]
        >>> Path(root.name, "pets").mkdir()
        >>> _ = Path(root.name, "pets", "split.json").write_text(json.dumps({"train": rows, "val": [], "test": rows}))
        >>> data = read_coop_split("pets", root.name, folder="pets", split_file="split.json", image_folder="images")
        >>> data.class_names
        ('cat', 'dog')
    """
    base = existing_folder(name, root, folder, " (see CoOp's DATASETS.md)")
    path = base / split_file
    if not path.is_file():
        raise DatasetError(
            f"{name}: split file is missing. It belongs at {path} (see the links in CoOp's DATASETS.md)."
        )
    rows = read_split_file(path)
    lists, notes = each_once({split: getattr(rows, split) for split in SPLITS})
    return dataset_of_rows(
        name,
        base / image_folder,
        replace(rows, train=lists["train"], val=lists["val"], test=lists["test"]),
        where=f"{name} ({path})",
        template=template,
        n_classes=n_classes,
        notes=notes,
    )


def read_split_file(path: Path) -> SplitRows:
    """The lists of a split file, each row's form checked; its hash is that of the file's bytes.

    Raises:
        DatasetError: if it is no JSON, lacks a list, or a row is not ``[path, label, class name]``.
    """
    reads.note(path)
    refuse_pointer(path, DatasetError)
    data = path.read_bytes()
    try:
        lists = read_json_text(decoded(data))
    except ValueError as error:
        raise DatasetError(
            f"split file is not valid JSON: {path} ({error}). Correct it, or fetch it again if it is a benchmark's."
        ) from error
    if not isinstance(lists, dict) or not all(isinstance(lists.get(split), list) for split in SPLITS):
        raise DatasetError(f"split file needs the lists {', '.join(SPLITS)}: {path}")
    for split in SPLITS:
        for position, row in enumerate(lists[split]):
            if not (type(row) is list and len(row) == 3 and [type(value) for value in row] == [str, int, str]):
                raise DatasetError(
                    f"split file {path}: item {position} of {split} is {row!r}; it should be [path, label, class name]"
                )
    return SplitRows(lists["train"], lists["val"], lists["test"], source=f"coop ({path.name})", digest=content_id(data))

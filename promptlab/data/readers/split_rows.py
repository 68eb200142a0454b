"""From rows of (path, label, class name) to a dataset: the one way, whatever the rows were read from."""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.class_text.names import ClassNames, names_for
from promptlab.class_text.templates import template_for, template_of
from promptlab.data.checks.labels import check_labels
from promptlab.data.checks.names import with_names_noted
from promptlab.data.hashing import ID_DIGITS
from promptlab.data.items import SPLITS, Dataset, Items
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.data.readers.listed_paths import as_on_disk
from promptlab.data.sources.files import FileImages
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError

log = logging.getLogger(__name__)

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class SplitRows:
    """The three lists of a dataset; each row is (path relative to the image folder, label from 0, class name).

    Args:
        train: training rows; their order matters, the few-shot draw follows it.
        val: validation rows, the test rows where they are the same images.
        test: test rows.
        source: where the split comes from, for people.
        digest: hash of the split's contents; of the rows if empty.
        test_only: True for a dataset that has nothing but test images.
        train_only: True for one that has no test images.
        class_keys: C ids that mean the same class in other datasets, or empty.
    """

    train: Rows
    val: Rows
    test: Rows
    source: str
    digest: str = ""
    test_only: bool = False
    train_only: bool = False
    class_keys: tuple[str, ...] = ()


def dataset_of_rows(
    name: str,
    images: Path,
    rows: SplitRows,
    *,
    where: str,
    template: str | None = None,
    n_classes: int | None = None,
    class_names: ClassNames | None = None,
    notes: Sequence[str] = (),
    reading: Reading = USUAL,
    downloaded: bool = False,
) -> Dataset:
    """A dataset over image files, its labels and names checked; no image is touched.

    Args:
        name: the dataset's name.
        images: the folder that the rows' paths are relative to.
        rows: the three lists.
        where: what messages begin with.
        template: the hand-written prompt with ``{}``; CoOp's for this name if None.
        n_classes: C, where it should be checked; taken from the rows if None.
        class_names: other names than those of the rows, as :func:`promptlab.class_text.names.names_for` takes them.
        notes: what was noticed already and a reader of Results should know.
        reading: how the images are read.
        downloaded: whether they are a benchmark's and not somebody's own.

    Raises:
        DatasetError: if labels, names or paths are not as they should be.
        ValueError: if the template has not exactly one ``{}``.
    """
    lists = {split: getattr(rows, split) for split in SPLITS}
    labels = {split: _labels(lists[split], where) for split in SPLITS}
    listed = _class_names(lists, labels["test" if rows.test_only else "train"], n_classes, where)
    check_labels(labels, listed, where=where, test_only=rows.test_only, train_only=rows.train_only)
    for note in notes:
        log.warning("%s: %s", where, note)
    paths = as_on_disk(images, _relative_paths(lists, where))
    source = FileImages(images, paths, reading, downloaded=downloaded)
    starts = dict(zip(SPLITS, np.cumsum([0, len(labels["train"]), len(labels["val"])]).tolist(), strict=True))
    items = {
        split: Items(source, np.arange(starts[split], starts[split] + len(labels[split])), labels[split])
        for split in SPLITS
    }
    dataset = Dataset(
        name=name,
        class_names=names_for(listed, class_names),
        template=template_of(template if template is not None else template_for(name)),
        train=items["train"],
        val=items["val"],
        test=items["test"],
        split_source=rows.source,
        split_hash=rows.digest or _digest(lists),
        val_is_test=bool(len(rows.val)) and [row[0] for row in rows.val] == [row[0] for row in rows.test],
        class_keys=rows.class_keys,
        class_origins=listed if class_names is not None else (),
        notes=tuple(notes),
    )
    return with_names_noted(dataset)


def _labels(rows: Rows, where: str) -> IntArray:
    try:
        return np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows))
    except OverflowError as error:
        raise DatasetError(f"{where}: a label is too large to be one") from error


def _class_names(lists: dict[str, Rows], counted: IntArray, n_classes: int | None, where: str) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for split in SPLITS:
        for _, label, name in lists[split]:
            known = names.setdefault(label, name)
            if known != name and unicodedata.normalize("NFC", known) != unicodedata.normalize("NFC", name):
                raise DatasetError(f"{where}: label {label} has two names, {known!r} and {name!r}")
    if n_classes is None:
        from_one = bool(names) and min(names) == 1
        n_classes = len(names) if from_one else int(max(counted, default=-1)) + 1
        if n_classes > max(len(counted), len(names)):  # nothing is made that is as large as a label's value
            raise DatasetError(
                f"{where}: label {n_classes - 1} is too large for {len(counted)} images: labels count from 0, and "
                "every class has some"
            )
    return tuple(names.get(label, "") for label in range(n_classes))


def _relative_paths(lists: dict[str, Rows], where: str) -> list[str]:
    names = [row[0] for split in SPLITS for row in lists[split]]
    for name in names:
        if not name or name[0] == "/" or (".." in name and ".." in name.split("/")):
            raise DatasetError(f"{where}: {name!r} should be a path inside the image folder, relative to it")
    return names


def _digest(lists: dict[str, Rows]) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        lines = "".join(f"{path}\t{label}\t{name}\n" for path, label, name in lists[split])
        digest.update(f"{split}\n{lines}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:ID_DIGITS]

"""Tables of a Hugging Face dataset, by split, with the column of images and that of labels found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.class_text.names import ClassNames, in_label_order, names_for, names_of_numbers
from promptlab.class_text.spelling import in_one_form
from promptlab.data.readers.split_names import split_of
from promptlab.data.readers.tested import Test
from promptlab.support import reads
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.words import counted, some_of


@dataclass(frozen=True)
class Wanted:
    """What a user says of the tables; None is found out.

    Args:
        splits: ``train``, ``val`` and ``test`` to the split's name there.
        image_column: the images.
        label_column: the labels.
        class_names: names in label order, or of some labels.
        test: what is tested, where not the test split.
    """

    splits: Mapping[str, str | None]
    image_column: str | None
    label_column: str | None
    class_names: ClassNames | None
    test: Test | None


@dataclass(frozen=True)
class LabelledTables:
    """Images and labels of every split that is used.

    Args:
        chosen: ``train``, ``val`` and ``test`` to the split's name; ``train`` alone where the others are drawn from it.
        image_column: the images.
        encoded: name of the split to its images, not decoded.
        keys: C keys of the classes, as the tables have them.
        names: their C names.
        labels: name of the split to (N,) labels.
    """

    chosen: Mapping[str, str]
    image_column: str
    encoded: Mapping[str, Any]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    labels: Mapping[str, IntArray]


def labelled_tables(path: str, subset: str | None, revision: str | None, wanted: Wanted, where: str) -> LabelledTables:
    """Open a dataset and find what trains and what is tested in it.

    Args:
        path: a folder that ``save_to_disk`` wrote, or what ``datasets.load_dataset`` takes.
        subset: which of the hub dataset's configurations.
        revision: a tag or commit of the hub's repository.
        wanted: what is known of it.
        where: what messages begin with.

    Raises:
        DatasetError: if ``datasets`` is not installed, or splits, columns or labels are not as they should be.
    """
    there = _load(path, subset, revision, where)
    chosen = _chosen(list(there), wanted.splits, wanted.test, where)
    tables = {split: there[split] for split in dict.fromkeys(chosen.values())}
    first = chosen.get("train") or chosen["test"]
    features = tables[first].features
    image_column = _image_column(features, wanted.image_column, where)
    label_column = _label_column(features, wanted.label_column, where)
    for split, table in tables.items():
        absent = [column for column in (image_column, label_column) if column not in table.features]
        if absent:
            raise DatasetError(f"{where}: split {split} has no column {', '.join(absent)}")
    cells = {split: list(table[label_column]) for split, table in tables.items()}
    keys, names, labels = _labels(features[label_column], cells, wanted.class_names, first, where)
    encoded = {split: _undecoded(table, image_column) for split, table in tables.items()}
    return LabelledTables(chosen, image_column, encoded, keys, names, labels)


def _load(path: str, subset: str | None, revision: str | None, where: str) -> dict[str, Any]:
    """The tables by split."""
    try:
        import datasets
    except ImportError:
        raise DatasetError(
            f"{where}: Hugging Face's package datasets is not installed: pip install 'promptlab-clip[hf]'"
        ) from None
    folder = Path(path).expanduser()
    for file in (folder, folder / "dataset_dict.json", folder / "state.json"):
        reads.note(file)
    saved = any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))
    try:
        found: Any = (
            datasets.load_from_disk(str(folder))
            if saved
            else datasets.load_dataset(path, name=subset, revision=revision)
        )
    except Exception as error:  # the package and the hub's client have dozens
        raise DatasetError(f"{where} can't be loaded by Hugging Face's datasets: {error}") from error
    return dict(found) if isinstance(found, Mapping) else {"train": found}


def _chosen(there: Sequence[str], given: Mapping[str, str | None], test: Test | None, where: str) -> dict[str, str]:
    """Names of the splits to use, or of the training split alone, where the others are drawn from it."""
    chosen: dict[str, str] = {}
    for split, wanted in given.items():
        if wanted is not None and wanted not in there:
            raise DatasetError(f"{where} has no split {wanted!r}; there are {', '.join(there)}")
        usual = [name for name in there if split_of(name) == split]
        if wanted or usual:
            chosen[split] = wanted or usual[0]
    if chosen.keys() == {"test"}:
        return chosen
    if "train" not in chosen:
        raise DatasetError(f"{where} has no training split; set dataset.train_split to one of {', '.join(there)}")
    if "val" in chosen and "test" not in chosen and test is None:
        raise DatasetError(
            f"{where} has no test split, but {chosen['val']}: set dataset.test_split={chosen['val']} to test on those, "
            "or dataset.test=none to test on nothing"
        )
    if chosen["train"] in (chosen.get("val"), chosen.get("test")):
        raise DatasetError(f"{where}: split {chosen['train']} can't be trained on and held out at once")
    return chosen


def _image_column(features: Mapping[str, Any], given: str | None, where: str) -> str:
    return _column([name for name in features if _kind(features[name]) == "Image"], features, given, "image", where)


def _label_column(features: Mapping[str, Any], given: str | None, where: str) -> str:
    of_labels = [name for name in features if _kind(features[name]) == "ClassLabel"]
    return _column(of_labels or [name for name in features if name == "label"], features, given, "label", where)


def _column(fitting: Sequence[str], features: Mapping[str, Any], given: str | None, what: str, where: str) -> str:
    if given is None and len(fitting) == 1:
        return fitting[0]
    if given is None or given not in features:
        found = (
            f"there is no column {given!r}" if given else f"{counted(len(fitting), 'column')} could hold the {what}s"
        )
        raise DatasetError(f"{where}: {found}; set dataset.{what}_column to one of {', '.join(features)}")
    return given


def _kind(feature: Any) -> str:
    return type(feature).__name__


def _labels(
    feature: Any, cells: Mapping[str, list[Any]], class_names: ClassNames | None, train: str, where: str
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, IntArray]]:
    """What the table calls the classes, their names, and (N,) labels by split, of a column of whatever kind."""
    absent = sum(cell is None for column in cells.values() for cell in column)
    if absent:
        raise DatasetError(f"{where}: {counted(absent, 'image has', 'images have')} no label")
    if not all(isinstance(cell, str) for cell in cells[train]):
        if _kind(feature) == "ClassLabel":
            keys, names = tuple(feature.names), names_for(feature.names, class_names)
        else:
            names = names_of_numbers(class_names)
            keys = tuple(f"label {label}" for label in range(len(names)))
        whole = all(isinstance(cell, int) for column in cells.values() for cell in column)
        if not whole:
            raise DatasetError(f"{where}: labels must be whole numbers or texts: set dataset.label_column to another")
        return keys, names, {split: np.asarray(column, dtype=np.int64) for split, column in cells.items()}
    cells = in_one_form(cells)
    keys = tuple(in_label_order(cells[train]))
    label_of = {key: label for label, key in enumerate(keys)}
    labels = {split: np.array([label_of.get(cell, -1) for cell in column]) for split, column in cells.items()}
    strange = sorted({str(cell) for column in cells.values() for cell in column} - label_of.keys())
    if strange:
        raise DatasetError(f"{where}: classes without training images: {some_of(strange)}")
    return keys, names_for(keys, class_names), labels


def _undecoded(table: Any, column: str) -> Any:
    """The column alone, with encoded images in place of decoded ones."""
    import datasets

    return table.select_columns([column]).cast_column(column, datasets.Image(decode=False))

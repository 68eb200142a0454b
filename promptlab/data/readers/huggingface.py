"""Images in a Hugging Face ``datasets`` table: a folder that ``save_to_disk`` wrote, or an id on the hub.

Needs the extra ``promptlab-clip[hf]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.class_text.names import ClassNames, in_label_order, names_for, names_of_numbers
from promptlab.class_text.spelling import in_one_form
from promptlab.class_text.templates import DEFAULT_TEMPLATE, template_of
from promptlab.data.amounts import GreyBits, MaxPixels, Seed
from promptlab.data.checks.decoding import Look, look_anew
from promptlab.data.checks.image_files import bad_left_out
from promptlab.data.checks.labels import check_labels
from promptlab.data.checks.names import with_names_noted
from promptlab.data.checks.problems import PROBLEMS_LISTED, noted, refuse
from promptlab.data.checks.validate import copies_in
from promptlab.data.hashing import ID_DIGITS
from promptlab.data.items import SPLITS, Dataset, Items
from promptlab.data.pictures.reading import MAX_PIXELS, Reading
from promptlab.data.readers.default_name import own_name
from promptlab.data.readers.labelled_paths import drawn_lists
from promptlab.data.readers.repeated_rows import without_repeated_rows
from promptlab.data.readers.split_names import split_of
from promptlab.data.readers.tested import Test, with_test
from promptlab.data.sources.tables import TableImages
from promptlab.support import reads
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import counted, shortened, some_of


@checked(leaving=("name", "path", "class_names", "template"))
def read_hf(
    name: str,
    path: str | None,
    *,
    subset: str | None = None,
    revision: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    train_split: str | None = None,
    val_split: str | None = None,
    test_split: str | None = None,
    class_names: ClassNames | None = None,
    test: Test | None = None,
    template: str = DEFAULT_TEMPLATE,
    split_seed: Seed = 1,
    validate: bool = True,
    exif: bool = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    grey_bits: GreyBits | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a Hugging Face dataset.

    Args:
        name: what a Result calls the dataset; ``hf``, as in the configuration, stands for the last part of ``path``.
        path: a folder that ``save_to_disk`` wrote, or what ``datasets.load_dataset`` takes, such as an id on the hub.
        subset: which of the hub dataset's configurations.
        revision: a tag or commit of the hub's repository.
        image_column: the images; the only column of that kind if None.
        label_column: the labels; the only column of class labels, or ``label``, if None.
        train_split: name of the training split; ``train`` if None.
        val_split: likewise; ``validation``, ``val``, ``valid`` or ``dev`` where there is one.
        test_split: likewise; ``test``. With neither of the two, both are drawn from the training split.
        class_names: names in label order, or of some labels, or a text file with either.
        test: ``all`` images are tested and none trains, or ``none`` is tested, or those of ``val`` are; those of the
            test split, or the draw's, if None.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        split_seed: of the draw: 50 % train, 20 % val, 30 % test of each class.
        validate: decode every image before it is first used and compare contents; false for tables too large for that.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: if ``datasets`` is not installed, or splits, columns, labels or images are not as they should be.

    Example:
        >>> read_hf("pets", None)
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: dataset pets needs a folder of save_to_disk, or an id on the hub: ...
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    if not path:
        raise DatasetError(f"dataset {name} needs a folder of save_to_disk, or an id on the hub: set dataset.path=...")
    name = own_name(name, "hf", path)
    where = f"dataset {name} ({path})"
    splits = _load(path, subset, revision, where)
    chosen = _chosen(list(splits), {"train": train_split, "val": val_split, "test": test_split}, test, where)
    tables = {split: splits[split] for split in dict.fromkeys(chosen.values())}
    first = chosen.get("train") or chosen["test"]
    features = tables[first].features
    image_column = _image_column(features, image_column, where)
    label_column = _label_column(features, label_column, where)
    for split, table in tables.items():
        absent = [column for column in (image_column, label_column) if column not in table.features]
        if absent:
            raise DatasetError(f"{where}: split {split} has no column {', '.join(absent)}")
    cells = {split: list(table[label_column]) for split, table in tables.items()}
    keys, names, labels = _labels(features[label_column], cells, class_names, first, where)
    encoded = {split: _undecoded(table, image_column) for split, table in tables.items()}
    source = TableImages(encoded, image_column, reading)
    look = look_anew(source, range(len(source))) if validate or skip_bad else Look({}, {})
    if not skip_bad:
        refuse(where, shortened(look.problems, PROBLEMS_LISTED))
    parts = _parts(chosen, labels, split_seed, where, bad=look.errors.keys())
    check_labels(
        {split: everything for split, (_, everything) in parts.items()},
        names,
        where=where,
        test_only="train" not in chosen,
        train_only=test is not None,
    )
    items = {split: Items(source, *part) for split, part in parts.items()}
    digest = hashlib.sha256("\n".join(names).encode())
    for split in SPLITS:
        digest.update(split.encode() + items[split].indices.tobytes() + items[split].labels.tobytes())
    drawn = chosen.keys() == {"train"}
    dataset = Dataset(
        name=name,
        class_names=names,
        template=template_of(template),
        train=items["train"],
        val=items["val"],
        test=items["test"],
        split_source=f"drawn from {chosen['train']} (split_seed={split_seed})" if drawn else f"hf ({path})",
        split_hash=digest.hexdigest()[:ID_DIGITS],
        drawn=drawn,
        val_is_test=chosen.get("val") is not None and chosen.get("val") == chosen.get("test"),
        class_origins=keys,
    )
    left_out = tuple(f"{source.describe(i)} ({getattr(e, 'reason', e)})" for i, e in sorted(look.errors.items()))
    bad = [bad_left_out(left_out)] if left_out else []
    if validate:
        dataset = without_repeated_rows(dataset)
    dataset = noted(dataset, [*bad, *look.findings(source.describe), *(copies_in(dataset) if validate else ())])
    return with_test(with_names_noted(dataset), test)


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


def _parts(
    chosen: Mapping[str, str], labels: Mapping[str, IntArray], seed: int, where: str, bad: Collection[int]
) -> dict[str, tuple[IntArray, IntArray]]:
    """Positions in the source and labels, by split, without bad positions."""
    starts = dict(zip(labels, np.cumsum([0, *(len(column) for column in labels.values())]).tolist(), strict=False))
    if chosen.keys() != {"train"}:
        empty = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        whole = {}
        for name, column in labels.items():
            positions = starts[name] + np.arange(len(column))
            good = ~np.isin(positions, list(bad))
            whole[name] = positions[good], column[good]
        return {split: whole[chosen[split]] if split in chosen else empty for split in SPLITS}
    column = labels[chosen["train"]]
    problems: list[str] = []
    pairs = [(str(position), str(label)) for position, label in enumerate(column.tolist()) if position not in bad]
    lists = drawn_lists(pairs, seed, problems)
    refuse(where, problems)
    rows = {split: np.array([int(path) for path, _ in lists[split]], dtype=np.int64) for split in SPLITS}
    return {split: (positions, column[positions]) for split, positions in rows.items()}

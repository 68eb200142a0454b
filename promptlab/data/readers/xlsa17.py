"""Generalised zero-shot datasets as xlsa17 lays them out: ``att_splits.mat`` and ``res101.mat`` beside the images.

Source: Xian, Lampert, Schiele and Akata, 2018, https://arxiv.org/abs/1707.00600, the "proposed splits". Indices and
labels in the files count from 1, and image paths are those of another machine.

The files' ``train_loc`` and ``val_loc`` together hold the images of ``test_seen_loc`` too (FLO: 5878 + 1156 = 5631
trainval + 1403 test images of seen classes). A bias chosen on them would be chosen on tested images, so ``development``
keeps to ``trainval_loc``. There is no split of seen classes for validation either: a fifth of development's training
images (:func:`promptlab.data.hold_out.hold_out`) takes that part. Some copies of the files lack both lists; without
``valclasses1.txt``, which xlsa17 has beside them, there is no ``development`` then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from promptlab.class_text.names import ClassNames, names_for, names_of_numbers
from promptlab.class_text.names_file import read_class_names
from promptlab.class_text.templates import DEFAULT_TEMPLATE, template_of
from promptlab.data.checks.names import with_names_noted
from promptlab.data.datasets_folder import existing_folder
from promptlab.data.hashing import content_id
from promptlab.data.hold_out import hold_out
from promptlab.data.items import Dataset, Items
from promptlab.data.readers.xlsa17_files import array_of, counted_from_one, loc_of, read_mat, texts_of
from promptlab.data.sources.files import FileImages
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of

SPLIT_MAT, IMAGES_MAT, VAL_CLASSES_FILE = "att_splits.mat", "res101.mat", "valclasses1.txt"


def read_xlsa17(
    name: str,
    root: str | Path | None,
    *,
    folder: str,
    image_folder: str,
    keep_after: str = "images",
    template: str = DEFAULT_TEMPLATE,
    class_names: ClassNames | None = None,
) -> Dataset:
    """Read a dataset that lies as xlsa17 has it; no image is touched.

    Args:
        name: the dataset's name, e.g. ``cub``.
        root: the folder that holds all datasets.
        folder: the dataset's folder under ``root``, with the two ``.mat`` files.
        image_folder: the folder of images, in ``folder``.
        keep_after: the part of the files' image paths after which they are relative to ``image_folder``.
        template: the hand-written prompt with ``{}``.
        class_names: names by label, other names for some of those of ``att_splits.mat``, or a file in ``folder`` with
            either; those of ``att_splits.mat`` if None.

    Returns:
        All classes, of which ``unseen`` have no training images; ``val`` is empty; ``test`` holds the seen classes'
        images and then the unseen ones'.

    Raises:
        DatasetError: if files are missing or not as they should be; the message says what to do.

    Example:
        >>> read_xlsa17("cub", "nowhere", folder="CUB", image_folder="CUB_200_2011/images")
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: cub: the folder of datasets does not exist: ...
    """
    base = existing_folder(name, root, folder, f", with xlsa17's {SPLIT_MAT} and {IMAGES_MAT}")
    splits, images = read_mat(name, base / SPLIT_MAT), read_mat(name, base / IMAGES_MAT)
    labels = counted_from_one(array_of(images, "labels", base / IMAGES_MAT), base / IMAGES_MAT, "labels")
    paths = [_tail(path, keep_after, base / IMAGES_MAT) for path in texts_of(images, "image_files", base / IMAGES_MAT)]
    if len(paths) != len(labels):
        raise DatasetError(f"{base / IMAGES_MAT}: {len(paths)} image_files, but {len(labels)} labels")
    raw_names = _class_names(name, base, class_names, splits)
    if labels.max() >= len(raw_names):
        raise DatasetError(f"{base}: labels run to {labels.max() + 1}, but there are {len(raw_names)} class names")
    rows = {key: loc_of(splits, key, len(labels), base / SPLIT_MAT) for key in ("trainval", "test_seen", "test_unseen")}
    _check(rows, labels, raw_names, base / SPLIT_MAT)
    held_out_classes = _development_classes(splits, labels, raw_names, base)
    dataset = _assemble(
        name=name,
        class_names=tuple(raw_names if class_names is not None else map(clean_name, raw_names)),
        template=template_of(template),
        source=FileImages(base / image_folder, paths, downloaded=True),
        labels=labels,
        rows=(rows["trainval"], np.concatenate([rows["test_seen"], rows["test_unseen"]])),
        unseen=np.unique(labels[rows["test_unseen"]]),
        split_source=f"xlsa17 ({SPLIT_MAT})",
    )
    dataset = with_names_noted(dataset)
    if held_out_classes is None:
        return dataset
    development = _development(dataset, labels, rows["trainval"], held_out_classes)
    return replace(dataset, development=development)


def clean_name(name: str) -> str:
    """A class name as a prompt wants it: no number, no folder of the alphabet, no signs between words.

    Example:
        >>> clean_name("001.Black_footed_Albatross"), clean_name("grizzly+bear"), clean_name("a/abbey")
        ('black footed albatross', 'grizzly bear', 'abbey')
    """
    bare = re.sub(r"^(\d+\.|[\\/]?[a-z][\\/])", "", name.strip())
    return re.sub(r"[_+/\\\s]+", " ", bare).strip().lower()


def _development(dataset: Dataset, labels: IntArray, trainval: IntArray, held_out: IntArray) -> Dataset:
    """The training images alone, with the held-out classes as unseen ones."""
    untrained = np.setdiff1d(held_out, labels[trainval])
    if len(untrained):
        listed = some_of([dataset.class_names[label] for label in untrained])
        raise DatasetError(f"{dataset.name}: development's held-out classes have no training images: {listed}")
    unseen = np.isin(labels[trainval], held_out)
    seen_rows = trainval[~unseen]
    kept, held = hold_out(labels[seen_rows])
    source = dataset.train.source
    assert isinstance(source, FileImages)
    return _assemble(
        name=dataset.name,
        class_names=dataset.class_names,
        template=dataset.template,
        source=source,
        labels=labels,
        rows=(seen_rows[kept], np.concatenate([seen_rows[held], trainval[unseen]])),
        unseen=held_out,
        split_source=f"{dataset.split_source}, training images alone",
    )


def _assemble(
    *,
    name: str,
    class_names: tuple[str, ...],
    template: str,
    source: FileImages,
    labels: IntArray,
    rows: tuple[IntArray, IntArray],
    unseen: IntArray,
    split_source: str,
) -> Dataset:
    train, test = (Items(source, part, labels[part]) for part in rows)
    contents = b"".join([labels.tobytes(), *(b"|" + part.tobytes() for part in rows)])
    return Dataset(
        name=name,
        class_names=class_names,
        template=template,
        train=train,
        val=train.take([]),
        test=test,
        split_source=split_source,
        split_hash=content_id(contents),
        unseen=tuple(unseen.tolist()),
    )


def _development_classes(
    splits: dict[str, Any], labels: IntArray, class_names: Sequence[str], base: Path
) -> IntArray | None:
    """The classes of ``val_loc``, or those that a text file lists; None where neither is there."""
    if "train_loc" in splits and "val_loc" in splits:
        train, val = (loc_of(splits, key, len(labels), base / SPLIT_MAT) for key in ("train", "val"))
        shared = np.intersect1d(labels[train], labels[val])
        if len(shared):
            listed = some_of([class_names[label] for label in shared])
            raise DatasetError(f"{base / SPLIT_MAT}: train_loc and val_loc share classes: {listed}")
        return np.unique(labels[val])
    if not (base / VAL_CLASSES_FILE).is_file():
        return None
    wanted = read_class_names(base / VAL_CLASSES_FILE)
    unknown = [name for name in wanted if name not in class_names]
    if unknown:
        raise DatasetError(f"{base / VAL_CLASSES_FILE} lists what is no class: {some_of(unknown)}")
    return np.array(sorted(class_names.index(name) for name in wanted), dtype=np.int64)


def _check(rows: dict[str, IntArray], labels: IntArray, class_names: Sequence[str], path: Path) -> None:
    """Training and test images and their classes lie as a generalised zero-shot split has them."""
    for first, second in (("trainval", "test_seen"), ("trainval", "test_unseen"), ("test_seen", "test_unseen")):
        shared = np.intersect1d(rows[first], rows[second])
        if len(shared):
            raise DatasetError(f"{path}: {first}_loc and {second}_loc share {len(shared)} images")
    trained, seen, unseen = (np.unique(labels[part]) for part in rows.values())
    for problem, classes in (
        ("test_unseen_loc has classes of trainval_loc", np.intersect1d(trained, unseen)),
        ("test_seen_loc has classes without training images", np.setdiff1d(seen, trained)),
        (
            "classes have no images in any list",
            np.setdiff1d(np.arange(len(class_names)), np.concatenate([trained, unseen])),
        ),
    ):
        if len(classes):
            raise DatasetError(f"{path}: {problem}: {some_of([class_names[label] for label in classes])}")


def _tail(path: str, keep_after: str, where: Path) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    if keep_after not in parts[:-1]:
        raise DatasetError(f"{where}: image path {path!r} has no folder {keep_after!r}: set dataset.keep_after")
    return "/".join(parts[len(parts) - parts[::-1].index(keep_after) :])


def _class_names(name: str, base: Path, given: ClassNames | None, splits: dict[str, Any]) -> list[str]:
    if given is None:
        return texts_of(splits, "allclasses_names", base / SPLIT_MAT)
    if isinstance(given, str | PathLike):
        given = base / given
        if not given.is_file():
            raise DatasetError(
                f"{name}: its files hold no class names. A text file with one name per line, in label order, "
                f"belongs at {given}"
            )
    by_number = isinstance(given, Mapping) and all(str(key).isdecimal() for key in given)
    if by_number or "allclasses_names" not in splits:
        return list(names_of_numbers(given))
    return list(names_for(texts_of(splits, "allclasses_names", base / SPLIT_MAT), given))

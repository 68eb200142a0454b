"""One's own images listed in a file: a table (CSV) of paths and labels, or CoOp's JSON at any place."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from promptlab.class_text.names import ClassNames, in_label_order, names_by_label
from promptlab.class_text.spelling import in_one_form
from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.amounts import GreyBits, MaxPixels, Seed
from promptlab.data.checks.image_files import examine_files, without_bad
from promptlab.data.checks.problems import Finding, gathered, noted, refuse
from promptlab.data.checks.validate import copies_in
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.pictures.reading import MAX_PIXELS, Reading
from promptlab.data.readers.csv_table import is_number, read_table, row_problems
from promptlab.data.readers.default_name import own_name
from promptlab.data.readers.labelled_paths import (
    Lists,
    dataset_of_lists,
    drawn_lists,
    given_path,
)
from promptlab.data.readers.listed_paths import under_one_root
from promptlab.data.readers.repeated_rows import each_once
from promptlab.data.readers.split_file import read_split_file
from promptlab.data.readers.split_names import split_of
from promptlab.data.readers.split_rows import dataset_of_rows
from promptlab.data.readers.tested import Test, tested, with_test
from promptlab.support.errors import DatasetError
from promptlab.support.ranges import checked
from promptlab.support.words import counted


@checked(leaving=("name", "path", "class_names", "template"))
def read_csv(
    name: str,
    path: str | Path | None,
    *,
    images: str | None = None,
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
    r"""Read a table with the columns ``path``, ``label`` and perhaps ``split``; others are passed over.

    Labels are names, with classes in alphabetical order, or numbers from 0 whose names ``class_names`` gives. Paths may
    have slashes or backslashes; rows that are there twice count once.

    Args:
        name: what a Result calls the dataset; ``csv``, as in the configuration, stands for the file's name.
        path: the file: UTF-8, with a line of column names, separated by commas, semicolons or tabs.
        images: the folder that its paths are relative to; the file's own if None.
        class_names: names in label order, or other names for some labels, or a text file with either.
        test: ``all`` rows are tested and none trains, or ``none`` is tested, or those of ``val`` are; those that the
            column ``split`` or the draw says, if None.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        split_seed: of the draw where there is no column ``split``: 50 % train, 20 % val, 30 % test of each class.
        validate: look into every image before it is first used, and compare contents; false, for folders too large for
            that, only looks whether images are there.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: naming everything that is wrong with the file and its images.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> table = "path,label,split\n1.png,cat,train\n2.png,dog,train\n3.png,cat,test\n"
        >>> for name in ("1.png", "2.png", "3.png"):
        ...     Path(folder.name, name).touch()
        >>> _ = Path(folder.name, "pets.csv").write_text(table)
        >>> data = read_csv("pets", Path(folder.name, "pets.csv"), validate=False)
        >>> data.class_names, len(data.train), len(data.test)
        (('cat', 'dog'), 2, 1)
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    file = given_path(name, path, "a CSV file")
    name = own_name(name, "csv", file)
    where = f"dataset {name} ({file})"
    table = read_table(file)
    problems = row_problems(table)
    refuse(where, problems)
    labels = in_one_form({"": table.labels})[""]
    keys, names = _keys(set(labels), class_names, where)
    outside = sorted(set(labels).difference(keys))
    problems += gathered("label lies", "labels lie", outside, f" outside 0 to {len(keys) - 1}")
    refuse(where, problems)
    root, paths = under_one_root(_images_folder(images, file), table.paths, where)
    pairs = list(zip(paths, labels, strict=True))
    given = {"": pairs} if table.splits is None else _by_split(pairs, table.splits)
    once, notes = each_once(tested(given, test))
    if test == "none" and given.get("test"):
        rows = counted(len(given["test"]), "row of the test list is", "rows of the test list are")
        notes = (*notes, f"{rows} left out (dataset.test=none)")
    left_out: list[Finding] = []
    if skip_bad:
        once, left_out = without_bad(root, once, reading)
    drawn = "" in once
    lists = drawn_lists(once[""], split_seed, problems) if drawn else once
    problems += _listed_twice(lists)
    return dataset_of_lists(
        name,
        root,
        lists,
        keys=keys,
        class_names=names,
        template=template,
        source=f"csv ({file.name})" if table.splits else f"drawn from {file.name} (split_seed={split_seed})",
        where=where,
        problems=problems,
        validate=validate,
        notes=notes,
        test=test,
        drawn=drawn,
        reading=reading,
        left_out=left_out,
    )


@checked(leaving=("name", "path", "class_names", "template"))
def read_json(
    name: str,
    path: str | Path | None,
    *,
    images: str | None = None,
    class_names: ClassNames | None = None,
    test: Test | None = None,
    template: str = DEFAULT_TEMPLATE,
    validate: bool = True,
    exif: bool = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    grey_bits: GreyBits | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a split file in CoOp's form: ``{"train": [[path, label, class name], ...], "val": ..., "test": ...}``.

    Args:
        name: what a Result calls the dataset; ``json``, as in the configuration, stands for the file's name.
        path: the file.
        images: the folder that its paths are relative to; the file's own if None.
        class_names: other names, in label order, or of some of the file's names, or a text file with either.
        test: ``all`` rows are tested and none trains, or ``none`` is tested, or those of ``val`` are; those of the
            file's list ``test`` if None.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        validate: look into every image before it is first used, and compare contents; false, for folders too large for
            that, only looks whether images are there.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: naming everything that is wrong with the file and its images.

    Example:
        >>> import json, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> rows = [["1.png", 0, "cat"], ["2.png", 1, "dog"]]
        >>> for name in ("1.png", "2.png"):
        ...     Path(folder.name, name).touch()
        >>> _ = Path(folder.name, "pets.json").write_text(json.dumps({"train": rows, "val": [], "test": rows}))
        >>> read_json("pets", Path(folder.name, "pets.json"), validate=False).class_names
        ('cat', 'dog')
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    file = given_path(name, path, "a JSON file")
    name = own_name(name, "json", file)
    where = f"dataset {name} ({file})"
    rows = replace(read_split_file(file), source=f"json ({file.name})")
    listed = [row[0] for split in SPLITS for row in getattr(rows, split)]
    root, paths = under_one_root(_images_folder(images, file), listed, where)
    on_disk = dict(zip(listed, paths, strict=True))
    lists, notes = each_once({split: [(on_disk[row[0]], *row[1:]) for row in getattr(rows, split)] for split in SPLITS})
    left_out: list[Finding] = []
    if skip_bad:
        lists, left_out = without_bad(root, lists, reading)
    rows = replace(
        rows,
        train=lists["train"],
        val=lists["val"],
        test=lists["test"],
        digest="" if left_out else rows.digest,
        test_only=not rows.train and not rows.val,
        train_only=test is not None,
    )
    dataset = dataset_of_rows(
        name, root, rows, where=where, template=template, class_names=class_names, notes=notes, reading=reading
    )
    listed = [row[0] for split in SPLITS for row in lists[split]]
    files = examine_files(root, listed, validate=validate, reading=reading)
    refuse(where, files.problems)
    dataset = noted(dataset, [*left_out, *files.remarks, *(copies_in(dataset) if validate else ())])
    return with_test(dataset, test)


def _keys(labels: Set[str], class_names: ClassNames | None, where: str) -> tuple[list[str], ClassNames | None]:
    """The classes in label order, and their names."""
    if not all(map(is_number, labels)):
        return in_label_order(labels), class_names
    try:
        names = names_by_label(labels, class_names)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
    if "0" in names and "0" not in labels and str(len(names)) in labels:
        raise DatasetError(f"{where}: labels run from 1 to {len(names)}; they must start at 0. Subtract 1 from each.")
    return list(names), names


def _by_split(pairs: Sequence[tuple[str, str]], words: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    splits = {word: split_of(word) or "" for word in set(words)}
    lists: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for pair, word in zip(pairs, words, strict=True):
        lists[splits[word]].append(pair)
    return lists


def _images_folder(given: str | None, file: Path) -> Path:
    return Path(given).expanduser().absolute() if given else file.parent


def _listed_twice(lists: Lists) -> list[str]:
    """Images with two labels, twice in a list, or among training and other images."""
    trained: dict[str, str] = {}
    others: dict[str, str] = {}
    twice = {path for path, label in lists["train"] if trained.setdefault(path, label) != label}
    for split in ("val", "test"):
        for path, label in lists[split]:
            if path in trained or others.setdefault(path, label) != label:
                twice.add(path)
    both = " listed twice, in training and elsewhere or with two labels"
    return gathered("image is", "images are", sorted(twice), both)

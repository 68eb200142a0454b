"""Classes that stand for "none of these": pictures of anything else, or names alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from promptlab.data.checks.image_files import examine_files
from promptlab.data.checks.problems import Finding
from promptlab.data.items import Items
from promptlab.data.readers.folder_tree import read_tree
from promptlab.data.sources.files import FileImages
from promptlab.own.labelled_pictures import LabelledPictures
from promptlab.support.errors import DatasetError, UsageError
from promptlab.support.words import printable, some_of

OTHER = "other"
"""Name of the class of negative pictures."""


def with_negatives(given: LabelledPictures, negatives: str) -> LabelledPictures:
    """The pictures with classes for whatever is none of theirs.

    Args:
        given: the pictures.
        negatives: a folder, all of whose pictures at any depth are of one class ``other``, but for those that are a
            class's to the byte, which stay that class's and are said; or names with commas
            between, classes without pictures that every learner scores by their names.

    Raises:
        UsageError: for a name that is a class already, or a folder that isn't there.
        DatasetError: for a folder without a picture that can be opened.
    """
    folder = Path(negatives).expanduser()
    if negatives.strip() and folder.is_dir():  # an empty path is the working folder's
        return _with_pictures(given, folder.absolute())
    if os.sep in negatives:
        raise UsageError(f"--negatives {negatives}: there is no such folder; a folder, or names with commas between")
    names = tuple(dict.fromkeys(name.strip() for name in negatives.split(",") if name.strip()))
    if not names:
        raise UsageError(f"--negatives {negatives!r}: a folder, or names with commas between, is needed")
    return _with_classes(given, names)


def _with_pictures(given: LabelledPictures, folder: Path) -> LabelledPictures:
    tree, _ = read_tree(folder)
    found = tree.all_images()
    bad = examine_files(folder, found).bad
    good = [path for path in found if path not in bad]
    if not good:
        raise DatasetError(f"--negatives {folder}: no picture there can be opened")
    both = _of_classes(given, folder, good)
    good = [path for path in good if path not in both]
    if not good:
        raise DatasetError(
            f"--negatives {folder}: each picture there is one of the classes' too, and can't be none of them: "
            + some_of(list(both.values()), 2)
        )
    more = _with_classes(given, (OTHER,))
    label = len(given.class_names)
    negative = Items(FileImages(folder, good), np.arange(len(good)), np.full(len(good), label))
    groups = (*given.groups, *(f"\n{folder / path}" for path in good)) if given.groups else ()
    names = tuple(f"{path} ({reason})" for path, reason in sorted(bad.items()))
    left_out = (
        Finding("negative can't be read and is", "negatives can't be read and are", names, " left out"),
        Finding(
            "negative is", "negatives are", tuple(both.values()), " a class's picture to the byte, and no negative"
        ),
    )
    said = (*given.left_out, *(printable(finding.line(5)) for finding in left_out if finding.names))
    return replace(more, items=_joined(given.items, negative), groups=groups, left_out=said)


def _of_classes(given: LabelledPictures, folder: Path, negatives: list[str]) -> dict[str, str]:
    """The negatives that are pictures of a class, to the byte, and what to say of each: a label counts for more."""
    source = given.items.source
    assert isinstance(source, FileImages)
    ids = FileImages(folder, negatives, source.reading).content_ids(np.arange(len(negatives)))
    columns = given.items.content_ids(), given.files, given.items.labels.tolist()
    known = {content: f"{file} of {given.class_names[label]}" for content, file, label in zip(*columns, strict=True)}
    return {path: f"{path} ({known[one]})" for path, one in zip(negatives, ids, strict=True) if one in known}


def _with_classes(given: LabelledPictures, names: tuple[str, ...]) -> LabelledPictures:
    taken = [name for name in names if name in given.class_names]
    if taken:
        raise UsageError(f"--negatives: {taken[0]!r} is one of the classes already; give it another name")
    return replace(
        given,
        class_names=(*given.class_names, *names),
        class_origins=(*given.class_origins, *names),
        others=(*given.others, *names),
    )


def _joined(one: Items, two: Items) -> Items:
    """The files of both under the folder that holds them all, read as the first are."""
    assert isinstance(one.source, FileImages)
    assert isinstance(two.source, FileImages)
    paths = [one.source.path(index) for index in one.indices.tolist()]
    paths += [two.source.path(index) for index in two.indices.tolist()]
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    names = [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
    source = FileImages(root, names, one.source.reading)
    return Items(source, np.arange(len(names)), np.concatenate([one.labels, two.labels]))

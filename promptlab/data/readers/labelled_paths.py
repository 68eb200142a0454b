"""Paths of images and the keys of their classes, by split: what a user's own folders, lists and tables come down to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from promptlab.class_text.names import ClassNames, names_for
from promptlab.data.checks.image_files import examine_files
from promptlab.data.checks.problems import Finding, counted, noted, refuse
from promptlab.data.checks.validate import copies_in
from promptlab.data.hold_out import draw_split
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.data.readers.split_rows import SplitRows, dataset_of_rows
from promptlab.support import reads
from promptlab.support.errors import DatasetError

Lists = Mapping[str, Sequence[tuple[str, str]]]
"""By split, pairs of an image's path and the key of its class."""


def drawn_lists(pairs: Sequence[tuple[str, str]], seed: int, problems: list[str]) -> Lists:
    """Pairs of path and class, by drawn split; that no class has two images is added to ``problems``.

    A class with a single image trains, and is not tested.
    """
    splits = draw_split([key for _, key in pairs], seed)
    if pairs and "test" not in splits:
        problems.append(
            "no class has two images, one to train on and one to test: dataset.test=none trains on them all"
        )
    return {name: [pair for pair, split in zip(pairs, splits, strict=True) if split == name] for name in SPLITS}


def dataset_of_lists(
    name: str,
    root: Path,
    lists: Lists,
    *,
    keys: Sequence[str],
    class_names: ClassNames | None,
    template: str,
    source: str,
    where: str,
    problems: list[str],
    validate: bool,
    notes: Sequence[str] = (),
    reading: Reading = USUAL,
    left_out: Sequence[Finding] = (),
    test: str | None = None,
    drawn: bool = False,
) -> Dataset:
    """A dataset over image files, with everything that is wrong named at once.

    Args:
        name: what a Result calls the dataset.
        root: the folder that paths are relative to.
        lists: paths and classes by split.
        keys: C keys of classes, in label order.
        class_names: other names for them, as :func:`promptlab.class_text.names.names_for` takes them.
        template: the hand-written prompt with ``{}``.
        source: where the split comes from.
        where: what messages begin with.
        problems: what was found already.
        validate: whether images are decoded, and compared by content for a warning; otherwise only what is missing is
            looked for.
        notes: what was noticed already and is no problem.
        reading: how images are read.
        left_out: images that were not taken.
        test: ``none`` where test images aren't wanted, ``all`` where nothing else is.
        drawn: whether the lists were drawn from one.

    Raises:
        DatasetError: naming all problems.
    """
    names: tuple[str, ...] = tuple(keys)
    try:
        names = names_for(keys, class_names)
    except DatasetError as error:
        problems.append(str(error))
    test_only = not lists["train"] and not lists["val"]
    there = {key for _, key in lists["test" if test_only else "train"]}
    what = "test" if test_only else "training"
    problems += counted(f"classes have no {what} images", [key for key in keys if key not in there])
    if not lists["test"] and test != "none" and not drawn:
        problems.append("there are no test images: dataset.test=none learns without them")
    listed = [path for split in SPLITS for path, _ in lists[split]]
    files = examine_files(root, listed, validate=validate, reading=reading)
    problems += files.problems
    refuse(where, problems + [finding.line() for finding in left_out] if problems else [])
    label = {key: position for position, key in enumerate(keys)}
    rows = {split: [(path, label[key], names[label[key]]) for path, key in lists[split]] for split in SPLITS}
    split_rows = SplitRows(
        rows["train"], rows["val"], rows["test"], source=source, test_only=test_only, train_only=not lists["test"]
    )
    dataset = dataset_of_rows(name, root, split_rows, where=where, template=template, notes=notes, reading=reading)
    dataset = replace(dataset, class_origins=tuple(keys), drawn=drawn)
    return noted(dataset, [*left_out, *files.remarks, *(copies_in(dataset) if validate else ())])


def given_path(name: str, path: str | Path | None, what: str) -> Path:
    """The absolute path that a user gave.

    Raises:
        DatasetError: if there is none, or nothing there.
    """
    if not path:
        raise DatasetError(f"dataset {name} needs {what}: set dataset.path=...")
    found = Path(path).expanduser().absolute()
    reads.note(found)
    if not found.exists():
        raise DatasetError(f"dataset {name}: there is no {what} at {found}")
    return found

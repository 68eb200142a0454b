"""What a user's own folders, lists and tables of images share: split names, the drawn split, checks in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from promptlab.class_text.names import ClassNames, names_for
from promptlab.data.checks.problems import PROBLEMS_LISTED, counted, refuse
from promptlab.data.checks.readable import newly_unreadable
from promptlab.data.checks.validate import warn_of_copies
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.readers.rows import SplitRows, dataset_of_rows
from promptlab.data.sources.files import FileImages, names_in
from promptlab.support.errors import DatasetError
from promptlab.support.streams import draw_stream
from promptlab.support.words import shortened

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif")
SHARES = {"train": 0.5, "val": 0.2}
_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
Lists = Mapping[str, Sequence[tuple[str, str]]]
"""By split, pairs of an image's path and the key of its class."""


def split_of(word: str) -> str | None:
    """``train``, ``val`` or ``test`` for one of the usual words; None for another."""
    return _SPLIT_OF.get(word.strip().lower())


def split_words() -> str:
    """The words that :func:`split_of` knows, for messages."""
    return ", ".join(_SPLIT_OF)


def draw_split(keys: Sequence[str], seed: int) -> list[str]:
    """A split for each image: 50 % train, 20 % val, 30 % test of every class, by CoOp's rule.

    Both shares are rounded, and each class keeps at least one training and one test image. A class is drawn by a
    stream of its own, so that another class's images change nothing about it.

    Args:
        keys: (N,) class of each image.
        seed: of the draw.

    Returns:
        N of ``train``, ``val`` and ``test``.

    Example:
        >>> draw_split(["cat"] * 4, seed=1)
        ['train', 'val', 'test', 'train']
    """
    members: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        members.setdefault(key, []).append(position)
    splits = ["test"] * len(keys)
    for key, positions in members.items():
        n = len(positions)
        n_train = min(max(1, round(SHARES["train"] * n)), max(1, n - 1))
        n_val = max(0, min(round(SHARES["val"] * n), n - n_train - 1))
        shuffled = draw_stream(seed, key).sample(positions, n)
        for place, position in enumerate(shuffled[: n_train + n_val]):
            splits[position] = "train" if place < n_train else "val"
    return splits


def drawn_lists(pairs: Sequence[tuple[str, str]], seed: int, problems: list[str]) -> Lists:
    """Pairs of path and class, by drawn split; classes with one image are added to ``problems``."""
    splits = draw_split([key for _, key in pairs], seed)
    trained = {key for (_, key), split in zip(pairs, splits, strict=True) if split == "train"}
    tested = {key for (_, key), split in zip(pairs, splits, strict=True) if split == "test"}
    problems += counted("classes have a single image, and a split needs two", sorted(trained - tested))
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

    Raises:
        DatasetError: naming all problems.
    """
    names: tuple[str, ...] = tuple(keys)
    try:
        names = names_for(keys, class_names)
    except DatasetError as error:
        problems.append(str(error))
    trained = {key for _, key in lists["train"]}
    problems += counted("classes have no training images", [key for key in keys if key not in trained])
    if not lists["test"]:
        problems.append("there are no test images")
    problems += image_problems(root, [path for split in SPLITS for path, _ in lists[split]], validate=validate)
    refuse(where, problems)
    label = {key: place for place, key in enumerate(keys)}
    rows = {split: [(path, label[key], names[label[key]]) for path, key in lists[split]] for split in SPLITS}
    split_rows = SplitRows(rows["train"], rows["val"], rows["test"], source=source)
    dataset = dataset_of_rows(name, root, split_rows, where=where, template=template)
    if validate:
        warn_of_copies(dataset)
    return dataset


def image_problems(root: Path, paths: Iterable[str], *, validate: bool) -> list[str]:
    """Which images are missing, empty or can't be read, all of them.

    Args:
        root: the folder that paths are relative to.
        paths: the images.
        validate: look into the files; otherwise each folder is listed once, and what is missing is all that is found.
    """
    by_folder: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder, set()).add(name)
    missing: list[str] = []
    there: list[str] = []
    for folder, names in by_folder.items():
        listed = names_in(os.path.join(root, folder))
        missing += [_join(folder, name) for name in names if name not in listed]
        there += [_join(folder, name) for name in names if validate and name in listed]
    problems = counted(f"images are missing under {root}", sorted(missing))
    if not validate:
        return problems
    sizes = {path: _size(os.path.join(root, path)) for path in there}
    gone = sorted(path for path, size in sizes.items() if size is None)
    problems += counted("images are links to files that are missing", gone)
    problems += counted("images are empty files", sorted(path for path, size in sizes.items() if size == 0))
    whole = sorted(path for path, size in sizes.items() if size)
    unreadable = newly_unreadable(FileImages(root, whole), range(len(whole))) if whole else {}
    return problems + shortened(list(unreadable.values()), PROBLEMS_LISTED)


def _size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def given_path(name: str, path: str | Path | None, what: str) -> Path:
    """The absolute path that a user gave.

    Raises:
        DatasetError: if there is none, or nothing there.
    """
    if not path:
        raise DatasetError(f"dataset {name} needs {what}: set dataset.path=...")
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise DatasetError(f"dataset {name}: there is no {what} at {found}")
    return found

"""What the folders inside a folder of images mean: splits, classes, or something around or inside those.

Trees with one sensible reading are read so, and what was found is said; others are refused with a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptlab.class_text.spelling import spelling
from promptlab.data.items import SPLITS
from promptlab.data.readers.folder_tree import Folder
from promptlab.data.readers.split_names import split_of_folder
from promptlab.data.readers.tested import Test
from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of

Classes = Literal["outer", "inner", "path"]
"""Which folders are classes where they lie inside each other."""


@dataclass
class ClassImages:
    """What belongs to one class.

    Args:
        images: paths, in order.
        folders: the folders that they were read from.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


ByClass = dict[str, ClassImages]


@dataclass(frozen=True)
class Layout:
    """What was found.

    Args:
        splits: images by split and class; one split ``""`` where it is to be drawn.
        notes: what was taken for what, where that isn't plain.
    """

    splits: Mapping[str, ByClass]
    notes: tuple[str, ...]


def layout_of(tree: Folder, where: str, *, classes: Classes | None = None, test: Test | None = None) -> Layout:
    """Read a tree.

    Args:
        tree: the folder that a user gave.
        where: its path, for messages.
        classes: which folders are classes, where classes lie inside others; asked for if None.
        test: which images are tested; those of the test folder, or of a draw, if None.

    Raises:
        DatasetError: asking for what isn't clear, with the ways out.
    """
    notes: list[str] = []
    tree = _inside_wrappers(tree, notes)
    place = f"{where}/{tree.path}" if tree.path else where
    folders = _split_folders(tree, place)
    if folders:
        folders = {split: _inside_wrappers(folder, notes, split) for split, folder in folders.items()}
        _refuse_flat(folders, place, test)
        splits = {split: _by_class(folder.folders, place, classes) for split, folder in folders.items()}
    else:
        inside = _splits_inside_classes(tree, place, notes) if classes is None else {}
        splits = inside or {"": _by_class(tree.folders, place, classes)}
    splits = _spelled_as_in_the_first(splits, notes)
    return Layout(_tested(splits, place, test, notes), tuple(notes))


def _inside_wrappers(folder: Folder, notes: list[str], split: str | None = None) -> Folder:
    """The folder that holds the classes, where each above it holds nothing but the next."""
    start = folder
    while True:
        holding = folder.holding()
        if len(holding) != 1 or holding[0].images or split_of_folder(holding[0].name) not in (None, split):
            break
        folder = holding[0]
    if folder is not start:
        notes.append(f"read from {folder.path}, the one folder with images in {start.path or 'the given one'}")
    return folder


def _split_folders(tree: Folder, where: str) -> dict[str, Folder]:
    """The folders of the splits by split, or none if the folders are classes.

    A lone ``train`` or ``test`` among others is a class.
    """
    holding = tree.holding()
    named = [(split, folder) for folder in holding if (split := split_of_folder(folder.name)) is not None]
    others = [folder.name for folder in holding if split_of_folder(folder.name) is None]
    found: dict[str, Folder] = {}
    if others and len({split for split, _ in named}) < 2:
        return found
    for split, folder in named:
        if split in found:
            raise DatasetError(
                f"{where} has two folders for {split}: {found[split].name} and {folder.name}. Keep one, or give one of "
                "them as dataset.path."
            )
        found[split] = folder
    if others:
        raise DatasetError(
            f"{where} holds {_and(found)} folders and others beside them: {some_of(others)}. Move those away, or put "
            "all class folders inside train, val and test."
        )
    return found


def _refuse_flat(folders: Mapping[str, Folder], where: str, test: Test | None) -> None:
    """Refuse a folder of training or test images without folders of classes in it."""
    needed = {"train"} | {None: {"test"}, "all": {"test", "val"}, "none": set(), "val": {"val"}}[test]
    for split in [split for split in SPLITS if split in folders]:
        folder = folders[split]
        flat = folder.images or [image for inside in folder.holding() for image in inside.images]
        trained = {spelling(inside.name) for inside in folders.get("train", folder).holding()}
        classes = [inside for inside in folder.holding() if spelling(inside.name) in trained]
        if split not in needed or classes or not flat:
            continue
        learns = split == "test" and "train" in folders
        way_out = "dataset.test=none learns without them, and the saved learner predicts them; or " if learns else ""
        raise DatasetError(
            f"{where}/{folder.name} holds {len(flat)} images ({some_of(flat, 2)}), but no folder per class"
            f"{' as train has them' if split != 'train' else ''}, so that nothing says what they show: {way_out}"
            "put them into folders of classes, or list them in a table with their labels (dataset=csv)."
        )


def _splits_inside_classes(tree: Folder, where: str, notes: list[str]) -> dict[str, ByClass]:
    """Classes that hold split folders; none if they don't."""
    holding = tree.holding()
    inside = {folder.name: {split_of_folder(part.name) for part in folder.holding()} for folder in holding}
    split = [name for name, words in inside.items() if "train" in words and len(words - {None}) > 1]
    if not split:
        return {}
    whole = [f.name for f in holding if not f.images and inside[f.name] and None not in inside[f.name]]
    if len(whole) < len(holding):
        others = [folder.name for folder in holding if folder.name not in whole]
        raise DatasetError(
            f"{where}: the class folders {some_of(split)} hold folders for splits, {some_of(others)} others or images: "
            "put train, val and test folders into each class or into none."
        )
    splits: dict[str, ByClass] = {}
    for folder in holding:
        for part in folder.holding():
            of_split = splits.setdefault(split_of_folder(part.name) or "", {})
            _add(of_split, folder.name, part.all_images(), part.path)
    notes.append(f"{_and(splits)} were found inside each class's folder")
    return splits


def _by_class(folders: Sequence[Folder], where: str, classes: Classes | None) -> ByClass:
    """Images by class, of folders that are classes or hold them.

    Raises:
        DatasetError: if it isn't clear which, with what each reading would give.
    """
    outer: ByClass = {}
    for folder in folders:
        _add(outer, folder.name, folder.all_images(), folder.path)
    deeper = [part for folder in folders if not folder.images for part in folder.holding()]
    if classes == "outer" or (classes is None and len({part.name for part in deeper}) < 2):
        return outer
    leaves = [leaf for folder in folders for leaf in folder.walk() if leaf.images]
    start = len(folders[0].path) - len(folders[0].name) if folders else 0
    inner: ByClass = {}
    path: ByClass = {}
    for leaf in leaves:
        _add(inner, leaf.name, leaf.images, leaf.path)
        _add(path, leaf.path[start:].replace("/", " "), leaf.images, leaf.path)
    if classes is not None:
        return {"inner": inner, "path": path}[classes]
    readings = {"outer": outer, "inner": inner} | ({"path": path} if len(path) > len(inner) else {})
    said = "; ".join(f"dataset.classes={name} for {len(found)} ({some_of(sorted(found), 3)})"
                     for name, found in readings.items())  # fmt: skip
    raise DatasetError(
        f"{where}: images lie in folders inside folders ({some_of([part.path for part in deeper], 2)}): which of them "
        f"are the classes? Say {said}."
    )


def _add(found: ByClass, key: str, images: Sequence[str], folder: str) -> None:
    of_class = found.setdefault(key, ClassImages())
    of_class.images.extend(images)
    of_class.folders.append(folder)


def _spelled_as_in_the_first(splits: Mapping[str, ByClass], notes: list[str]) -> dict[str, ByClass]:
    """The splits with one key for each class, whose folders may differ between them in spelling alone."""
    known: dict[str, None] = {}
    spelled: dict[str, ByClass] = {}
    for split in sorted(splits, key=("", *SPLITS).index):
        spelled[split] = {}
        alike: dict[str, list[str]] = {}
        for key in known:
            alike.setdefault(spelling(key), []).append(key)
        for key, of_class in splits[split].items():
            same = alike.get(spelling(key), [])
            other = same[0] if key not in known and len(same) == 1 and same[0] not in splits[split] else None
            if other is not None:
                notes.append(f"folder {of_class.folders[0]} is read as class {other!r}, spelled otherwise")
            spelled[split][other or key] = of_class
        known |= dict.fromkeys(spelled[split])
    return spelled


def _tested(splits: dict[str, ByClass], where: str, test: Test | None, notes: list[str]) -> dict[str, ByClass]:
    """The splits with the test images that were asked for.

    Raises:
        DatasetError: if there are none, with the ways out.
    """
    if test == "all":
        return {"test": _together(splits.values())}
    if test == "none":
        left_out = splits.keys() & {"test"}
        if left_out:
            notes.append("the test folder is left out (dataset.test=none)")
        return {"train" if split == "" else split: found for split, found in splits.items() if split not in left_out}
    if test == "val":
        if "val" not in splits:
            raise DatasetError(f"{where}: dataset.test=val, but there is no folder val; there are {_and(splits)}")
        return {**{split: found for split, found in splits.items() if split != "val"}, "test": splits["val"]}
    if splits.keys() <= {"", "test"} or {"train", "test"} <= splits.keys():
        return splits
    ways = {
        "dataset.test=none learns without scoring anything": "train" in splits,
        "dataset.test=val tests on val's images": "val" in splits and "test" not in splits,
        "dataset.test=all scores all images": True,
        "a folder in it as dataset.path is split by a draw": True,
    }
    lacking = "train" if "test" in splits else "test"
    raise DatasetError(
        f"{where} has a folder {_and(splits)} but none for {lacking} images. Add one named {lacking}, or: "
        f"{'; '.join(way for way, fits in ways.items() if fits)}."
    )


def _together(splits: Iterable[ByClass]) -> ByClass:
    found: ByClass = {}
    for split in splits:
        for key, of_class in split.items():
            together = found.setdefault(key, ClassImages())
            together.images += of_class.images
            together.folders += of_class.folders
    return found


def _and(names: Mapping[str, object]) -> str:
    """``train``, ``train and val``, ``train, val and test``: in this order."""
    ordered = [split for split in SPLITS if split in names]
    return " and ".join(filter(None, [", ".join(ordered[:-1]), *ordered[-1:]]))

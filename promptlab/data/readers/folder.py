"""A folder of one's own images: a folder per class, split by folders above them or by a draw."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from promptlab.class_text.names import ClassNames, in_label_order
from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.checks.image_files import without_bad
from promptlab.data.checks.problems import Finding
from promptlab.data.items import SPLITS, Dataset
from promptlab.data.pictures.formats import is_image_name
from promptlab.data.pictures.reading import MAX_PIXELS, Reading
from promptlab.data.readers.labelled_paths import (
    dataset_of_lists,
    drawn_lists,
    given_path,
)
from promptlab.data.readers.split_names import split_of
from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of

log = logging.getLogger(__name__)


def read_folder(
    name: str,
    path: str | Path | None,
    *,
    class_names: ClassNames | None = None,
    template: str = DEFAULT_TEMPLATE,
    split_seed: int = 1,
    validate: bool = True,
    exif: bool = False,
    max_pixels: int = MAX_PIXELS,
    grey_bits: int | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a folder with one folder per class, or with such folders inside ``train``, ``test`` and perhaps ``val``.

    Classes are the folders in alphabetical order, or by number where all names are numbers, and their names are the
    folders' names. Images may lie in folders inside a class's folder. Hidden files are passed over; other files that
    are no images are reported in a warning.

    Args:
        name: what a Result calls the dataset.
        path: the folder.
        class_names: names in the order of the folders, or of some folders, or a text file with either.
        template: the hand-written prompt with ``{}``, or a text file that holds it.
        split_seed: of the draw where there are no split folders: 50 % train, 20 % val, 30 % test of each class.
        validate: look into every image before it is first used, and compare contents; false, for folders too large for
            that, only looks whether images are there.
        exif: turn pictures as the orientation in their EXIF says; off, as CoOp and open_clip read pictures.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill; None asks each file, see
            :mod:`promptlab.data.pictures.greys`.
        skip_bad: leave out images that can't be read, and note them in Results, in place of stopping.

    Raises:
        DatasetError: naming everything that is wrong: unreadable files, classes without images, unclear folders.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = tempfile.TemporaryDirectory()
        >>> for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        ...     Path(folder.name, name).parent.mkdir(exist_ok=True)
        ...     Image.new("RGB", (8, 8)).save(Path(folder.name, name))
        >>> data = read_folder("pets", folder.name, validate=False)
        >>> data.class_names, len(data.train), len(data.test)
        (('cat', 'dog'), 2, 2)
    """
    reading = Reading(exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    base = given_path(name, path, "a folder of images")
    if not base.is_dir():
        raise DatasetError(f"dataset {name}: {base} is a file; a folder of images is needed")
    problems: list[str] = []
    ignored: list[str] = []
    split_folders = _split_folders(base)
    found = {split: _by_class(base, folder, ignored) for split, folder in (split_folders or {"": ""}).items()}
    keys = in_label_order(key for images in found.values() for key in images)
    if not keys:
        raise DatasetError(f"dataset {name}: {base} holds no folders of images: one folder per class is needed")
    pairs = {split: [(path, key) for key in sorted(images) for path in images[key]] for split, images in found.items()}
    left_out: list[Finding] = []
    if skip_bad:
        pairs, left_out = without_bad(base, pairs, reading)
    lists = (
        {split: pairs.get(split, []) for split in SPLITS}
        if split_folders
        else drawn_lists(pairs[""], split_seed, problems)
    )
    dataset = dataset_of_lists(
        name,
        base,
        lists,
        keys=keys,
        class_names=class_names,
        template=template,
        source="folders" if split_folders else f"drawn from folders (split_seed={split_seed})",
        where=f"dataset {name} ({base})",
        problems=problems,
        validate=validate,
        reading=reading,
        left_out=left_out,
    )
    if ignored:
        log.warning(
            "%s: %d files are ignored, which are no images or in no class's folder: %s",
            base, len(ignored), some_of(sorted(ignored)),
        )  # fmt: skip
    return dataset


def _split_folders(base: Path) -> dict[str, str]:
    """The folders of the splits by split, or none if the folders are classes.

    A lone ``train`` or ``test`` among others is a class.
    """
    folders = _folders(base)
    found: dict[str, str] = {}
    for folder in folders:
        split = split_of(folder)
        if split in found:
            raise DatasetError(f"{base} has two folders for {split}: {found[split]} and {folder}. Keep one.")
        if split is not None:
            found[split] = folder
    others = [folder for folder in folders if folder not in found.values()]
    if {"train", "test"} <= found.keys():
        if others:
            raise DatasetError(
                f"{base} holds train and test folders and others beside them: {some_of(others)}. Move those away, or "
                "put all class folders inside train, val and test."
            )
        return found
    if "train" in found and not others:
        raise DatasetError(f"{base} has a folder {found['train']} but none for test images. Add one named test.")
    return {}


def _by_class(base: Path, inside: str, ignored: list[str]) -> dict[str, list[str]]:
    """Images of each class folder in order, relative to ``base``; what else lies there is noted."""
    root = base / inside
    ignored += [os.path.join(inside, file) for file in _files(root)]
    return {folder: _images(base, os.path.join(inside, folder), ignored) for folder in _folders(root)}


def _images(base: Path, folder: str, ignored: list[str]) -> list[str]:
    images = []
    start = len(os.path.join(base, ""))
    for where, inside, files in os.walk(base / folder, followlinks=True):
        inside[:] = sorted(name for name in inside if not _hidden(name))
        before = where[start:].replace(os.sep, "/")
        for file in sorted(files):
            path = f"{before}/{file}"
            if is_image_name(file):
                images.append(path)
            elif not _hidden(file):
                ignored.append(path)
    return images


def _folders(base: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(base) if entry.is_dir() and not _hidden(entry.name))


def _files(base: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(base) if entry.is_file() and not _hidden(entry.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"

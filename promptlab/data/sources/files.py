"""Images in files: a list of relative paths under one folder, light enough for all of ImageNet."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from promptlab.data.file_hashes import FileState
from promptlab.data.hashing import content_ids_of_files
from promptlab.data.items import Items
from promptlab.data.pictures.identity import ids_under
from promptlab.data.pictures.picture import open_picture
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError
from promptlab.support.machine import reader_threads
from promptlab.support.words import some_of

_FETCH, _FETCH_ALL = "Fetch this file again.", "Fetch them, or check that the archive was unpacked completely."
_ALL_OWN = "Put them there, or take them out of the list; dataset.skip_bad=true leaves out what isn't there."
_OWN = "Replace it or take it away; dataset.skip_bad=true leaves out what can't be read."


class FileImages:
    """An ``ImageSource`` over files, given by their paths relative to a folder.

    Making one touches no file: 1.28 million names take about 70 bytes each and no more.

    Args:
        root: the folder that the names are relative to.
        names: relative paths with forward slashes.
        reading: how they are read.
        downloaded: whether they are a benchmark's, which anybody can fetch again, and not somebody's own.

    Example:
        >>> images = FileImages("photos", ["cat/1.jpg", "dog/1.jpg"])
        >>> len(images), images.describe(1)
        (2, 'dog/1.jpg')
    """

    def __init__(
        self, root: str | Path, names: Sequence[str], reading: Reading = USUAL, *, downloaded: bool = False
    ) -> None:
        self.root = Path(root).absolute()
        self.reading = reading
        self._downloaded = downloaded
        # One block of bytes in place of a million strings: quicker to carry to loader processes, a third of the size.
        self._text = os.fsencode("".join(names))
        ascii_only = self._text.isascii()
        lengths = (len(name) if ascii_only else len(os.fsencode(name)) for name in names)
        self._ends = np.cumsum(np.fromiter(lengths, dtype=np.int64, count=len(names)))

    def __len__(self) -> int:
        return len(self._ends)

    def open(self, index: int) -> Image.Image:
        """Decode one image; see :func:`promptlab.data.pictures.picture.open_picture`.

        Raises:
            DatasetError: if it is missing, empty, truncated, too large or no image; the message names it.
        """
        return open_picture(self.path(index), self.reading, if_damaged=_FETCH if self._downloaded else _OWN)

    def path(self, index: int) -> str:
        """The absolute path of an image."""
        return os.path.join(self.root, self.describe(index))

    def describe(self, index: int) -> str:
        """The relative path of an image."""
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        start = int(self._ends[index - 1]) if index else 0
        return os.fsdecode(self._text[start : int(self._ends[index])])

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids of the files (:func:`promptlab.data.pictures.identity.picture_id`), remembered while they stay untouched.

        Raises:
            DatasetError: if files are missing, with their number and the first few, or one can't be read.
        """
        distinct, inverse = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        files: list[FileState] = []
        missing: list[str] = []
        for index in distinct.tolist():
            path = self.path(index)
            try:
                status = os.stat(path)
            except OSError:
                missing.append(self.describe(index))
            else:
                files.append(FileState.of(path, status))
        self._refuse(missing, len(distinct))
        hashes = ids_under(self.reading, content_ids_of_files(files))
        return [hashes[position] for position in inverse.tolist()]

    def check(self, indices: Sequence[int] | IntArray) -> None:
        """Make sure that these files exist, listing each folder once and touching no file.

        Raises:
            DatasetError: with the number of missing images and the first few paths.
        """
        distinct = np.unique(np.asarray(indices, dtype=np.int64)).tolist()
        folders: dict[str, list[str]] = defaultdict(list)
        for index in distinct:
            folder, _, name = self.describe(index).rpartition("/")
            folders[folder].append(name)
        missing: list[str] = []
        for folder, names in folders.items():
            there = names_in(os.path.join(self.root, folder))
            missing.extend(os.path.join(folder, name) for name in names if name not in there)
        self._refuse(missing, len(distinct))

    def _refuse(self, missing: list[str], asked: int) -> None:
        if not missing:
            return
        if not self.root.is_dir():
            raise DatasetError(f"the image folder is missing: {self.root}. Put the dataset's images there.")
        raise DatasetError(
            f"{len(missing)} of {asked} images are missing under {self.root}: {some_of(missing)}. "
            f"{_FETCH_ALL if self._downloaded else _ALL_OWN}"
        )


def check_images(items: Items, *, decode: bool = False) -> None:
    """Make sure, before anything trains, that the images of ``items`` can be used; sources without files pass.

    Args:
        items: the images.
        decode: also read each one: for training that opens images by itself (``views=online``), where the bank
            has not read them before.

    Raises:
        DatasetError: with the number of missing images and the first few paths, or the first that can't be read.

    Example:
        >>> items = Items(FileImages("nowhere", ["1.jpg"]), np.array([0]), np.array([0]))
        >>> check_images(items)
        Traceback (most recent call last):
        promptlab.support.errors.DatasetError: the image folder is missing: ...
    """
    if not isinstance(items.source, FileImages):
        return
    items.source.check(items.indices)
    if decode:
        with ThreadPoolExecutor(reader_threads()) as pool:
            for image in pool.map(items.source.open, np.unique(items.indices).tolist()):
                image.close()


def names_in(folder: str) -> set[str]:
    """What a folder holds; nothing if there is none."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()

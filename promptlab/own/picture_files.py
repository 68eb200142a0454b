"""Pictures that are named on a command line: files, and folders for all that lie in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from promptlab.data.items import Items
from promptlab.data.pictures.formats import IMAGE_SUFFIXES
from promptlab.data.pictures.reading import Reading
from promptlab.data.readers.folder_tree import read_tree
from promptlab.data.sources.files import FileImages
from promptlab.support.errors import UsageError


def picture_files(given: Iterable[str | Path]) -> list[Path]:
    """Absolute paths, each once: the files, and the pictures of folders as :func:`read_tree` lists them.

    Args:
        given: files and folders.

    Raises:
        UsageError: for what isn't there, and a folder without pictures.
        DatasetError: if a folder can't be listed.
    """
    found: dict[Path, None] = {}
    for path in map(Path, given):
        inside = [path / name for name in read_tree(path)[0].all_images()] if path.is_dir() else [path]
        if not path.exists():
            raise UsageError(f"there is no file or folder {path}")
        if not inside:
            raise UsageError(f"{path} holds no pictures: {', '.join(IMAGE_SUFFIXES)} are read")
        found.update(dict.fromkeys(one.absolute() for one in inside))
    return list(found)


def items_of_files(files: Iterable[Path], reading: Reading, label: int = 0) -> Items:
    """Pictures anywhere on this machine, all of one label.

    Args:
        files: absolute paths.
        reading: how they are read.
        label: theirs.
    """
    names = [str(file.relative_to(file.anchor)) for file in files]
    source = FileImages(Path(Path.cwd().anchor), names, reading)
    return Items(source, np.arange(len(names)), np.full(len(names), label, dtype=np.int64))

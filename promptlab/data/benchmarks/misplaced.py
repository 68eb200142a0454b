"""A benchmark's images that lie one folder too deep, or under a root that was given too high or too low."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab.data.pictures.formats import is_image_name


@dataclass(frozen=True)
class Place:
    """Where images were found.

    Args:
        root: the folder of all datasets.
        folder: the image folder under it that was looked for.
        images: the folder that it was found in.
    """

    root: Path
    folder: str
    images: Path


def find_elsewhere(base: Path, folders: Sequence[str]) -> Place | None:
    """The image folder in the one other place where it can be; None if there is none, or several.

    Args:
        base: the folder of all datasets, as the user gave it.
        folders: image folders under it.

    Example:
        >>> import tempfile
        >>> base = Path(tempfile.mkdtemp())
        >>> (base / "dtd" / "dtd-r1.0.1" / "images").mkdir(parents=True)
        >>> [place.images.relative_to(base).as_posix() for place in [find_elsewhere(base, ["dtd/images"])]]
        ['dtd/dtd-r1.0.1/images']
    """
    found = {place.images: place for folder in folders for place in _places(base, folder)}
    return next(iter(found.values())) if len(found) == 1 else None


def inside_its_own_name(images: Path) -> Path:
    """The folder itself, or the one of the same name in it where that is all that it holds."""
    with os.scandir(images) as entries:
        names = [(entry.name, entry.is_dir()) for entry in entries if entry.name[0] != "."]
    folders = [name for name, is_folder in names if is_folder]
    only = folders == [images.name] and not any(is_image_name(name) for name, _ in names)
    return images / images.name if only else images


def _places(base: Path, folder: str) -> Iterator[Place]:
    """With ``base`` inside the dataset's own folder, then with one folder more at every depth."""
    parts = Path(folder).parts
    for depth in range(1, len(parts) + 1):
        if base.parts[-depth:] == parts[:depth] and (root := base.parents[depth - 1]).joinpath(folder).is_dir():
            yield Place(root, folder, root / folder)
    for depth in range(len(parts)):
        above, below = base.joinpath(*parts[:depth]), Path(*parts[depth:])
        between = sorted(above.iterdir()) if above.is_dir() else []
        for extra in between:
            if (extra / below).is_dir():
                yield Place(base if depth else extra, folder, extra / below)

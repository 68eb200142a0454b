"""Where a benchmark lies on this disk: its images, and the folders that its lists may be in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab.data.benchmarks.misplaced import Place, find_elsewhere, inside_its_own_name
from promptlab.data.datasets_folder import datasets_folder, what_lies_in
from promptlab.data.pictures.formats import is_image_name
from promptlab.support import reads
from promptlab.support.errors import DatasetError


@dataclass(frozen=True)
class Layout:
    """A dataset that was found.

    Args:
        name: the dataset's name.
        images: the folder that paths of images are relative to.
        home: where its lists belong.
        searched: folders in which its lists are looked for, in order; ``home`` is one of them.
        split_file: name of CoOp's split file, where it has one.
        note: where the images were found, if that isn't where they belong.

    Example:
        >>> home = Path("data/dtd")
        >>> layout = Layout("dtd", home / "images", home, (home / "images", home), "split.json")
        >>> layout.find("labels.txt") is None
        True
    """

    name: str
    images: Path
    home: Path
    searched: tuple[Path, ...]
    split_file: str | None = None
    note: str = ""

    def find(self, *names: str) -> Path | None:
        """The first of these files that exists, or None.

        Args:
            names: paths relative to a searched folder, the same file under other names.
        """
        for path in (folder / name for name in names for folder in self.searched):
            reads.note(path)  # where there is none now, one may be later
            if path.is_file():
                return path
        return None

    def file(self, *names: str) -> Path:
        """The first of these files that exists.

        Args:
            names: as for :meth:`find`; the first is the one that the message names.

        Raises:
            DatasetError: if there is none, with the place where it belongs.
        """
        found = self.find(*names)
        if found is None:
            instead = f", or CoOp's split file at {self.home / self.split_file}" if self.split_file else ""
            raise DatasetError(
                f"{self.name}: {names[0]} is missing. It belongs at {self.home / names[0]}{instead} "
                "(see CoOp's DATASETS.md)."
            )
        return found


def find_layout(name: str, root: str | Path | None, folders: Sequence[str], split_file: str | None = None) -> Layout:
    """Find a dataset: the first of its possible image folders that exists.

    Archives end up one folder too deep, and ``root`` is given one too high or too low: where the images can only be in
    one place, they are found there, and the layout's ``note`` says so.

    Args:
        name: the dataset's name.
        root: the folder that holds all datasets.
        folders: image folders under ``root``, in the order in which they are tried; CoOp's first.
        split_file: name of CoOp's split file, where it has one.

    Returns:
        The layout. Lists are looked for in the image folder and those above it, then likewise in the other layouts'
        folders, then in ``root``.

    Raises:
        ValueError: if no folder is named.
        DatasetError: if ``root`` or the images are missing, with the place where they belong.
    """
    named = bool(folders) and not isinstance(folders, str)
    if not named or any(Path(folder).is_absolute() or not Path(folder).parts for folder in folders):
        raise ValueError(f"{name}: folders={folders!r} should be a list of image folders, relative to data.root")
    base = datasets_folder(name, root, f"images in FOLDER/{folders[0]}")
    found = next((Place(base, folder, base / folder) for folder in folders if (base / folder).is_dir()), None)
    found = found or find_elsewhere(base, folders)
    if found is None:
        others = f" (or {', '.join(folders[1:])} there)" if len(folders) > 1 else ""
        raise DatasetError(
            f"{name}: its images are missing. They belong at {base / folders[0]}{others}; {what_lies_in(base)}. "
            "See CoOp's DATASETS.md."
        )
    images = inside_its_own_name(found.images)
    above = [folder for folder in (images, *images.parents) if folder.is_relative_to(found.root)]
    searched = [found.root / part for folder in (found.folder, *folders) for part in _with_parents(folder)]
    usual = images == base / found.folder
    note = "" if usual else f"its images were found at {images}; they belong at {base / folders[0]}"
    home = found.root / Path(found.folder).parts[0]
    return Layout(name, images, home, tuple(dict.fromkeys([*above[:-1], *searched, found.root])), split_file, note)


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, hidden ones left out.

    Raises:
        DatasetError: if the folder is missing or has none.
    """
    reads.note(folder)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
    except OSError as error:
        raise DatasetError(f"folder is missing: {folder} ({error.strerror}). Put the dataset's images there.") from None
    if not names:
        raise DatasetError(f"{folder} should have a folder per class and has none: see CoOp's DATASETS.md")
    return names


def image_names(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; read from the listing alone, no file is touched."""
    reads.note(folder)
    return sorted(name for name in os.listdir(folder) if name[0] != "." and is_image_name(name))


def _with_parents(folder: str) -> list[str]:
    parts = Path(folder).parts
    return [os.path.join(*parts[:depth]) for depth in range(len(parts), 0, -1)]

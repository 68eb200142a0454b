"""What lies in a folder of images and the folders inside it, whatever it may mean."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from promptlab.data.pictures.formats import is_image_name
from promptlab.support import reads
from promptlab.support.errors import DatasetError

_OF_SYSTEMS = ("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information")


@dataclass
class Folder:
    """A folder, its paths relative to the one that was read, with forward slashes.

    Args:
        path: its own; empty for the one that was read.
        images: files that are images by their name, in order.
        others: files that are none, in order.
        folders: those inside it, in order of their names.
    """

    path: str
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator[Folder]:
        """It and every folder inside it, each before those inside it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def holding(self) -> list[Folder]:
        """The folders in it with images, at any depth."""
        return [folder for folder in self.folders if folder.holds_images()]

    def holds_images(self) -> bool:
        """Whether there are images in it, at any depth."""
        return any(folder.images for folder in self.walk())

    def all_images(self) -> list[str]:
        """Its images and those at any depth."""
        return [image for folder in self.walk() for image in folder.images]


def read_tree(base: Path) -> tuple[Folder, list[str]]:
    """List a folder and all inside it; hidden files and those of file systems (``__MACOSX``, ...) are passed over.

    Each folder is listed once: a link to one that was listed already, or to one that ``base`` lies in, is passed over.
    What lies inside ``base`` itself comes before what links lead to.

    Args:
        base: the folder.

    Returns:
        The tree, and the paths of the links that were passed over.

    Raises:
        DatasetError: if a folder can't be listed.
    """
    root = Folder("")
    seen = {_identity(folder) for folder in (base, *base.resolve().parents)}
    passed_over: list[str] = []
    waiting, links = deque([root]), deque[tuple[Folder, Folder]]()
    while waiting or links:
        if waiting:
            folder = waiting.popleft()
        else:
            parent, folder = links.popleft()
            if not _is_new(base / folder.path, seen):
                passed_over.append(folder.path)
                continue
            parent.folders.append(folder)
        for inside, is_link in _listed(base, folder):
            if is_link:
                links.append((folder, inside))
            elif _is_new(base / inside.path, seen):
                folder.folders.append(inside)
                waiting.append(inside)
    for folder in root.walk():
        folder.folders.sort(key=lambda inside: inside.name)
    return root, sorted(passed_over)


def _listed(base: Path, folder: Folder) -> list[tuple[Folder, bool]]:
    """Fill in the files of a folder; the folders inside it, and whether each is a link."""
    reads.note(base / folder.path)
    try:
        with os.scandir(base / folder.path) as entries:
            shown = sorted((entry for entry in entries if not _hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"folder can't be read: {base / folder.path} ({error.strerror})") from error
    folders = []
    for entry in shown:
        path = f"{folder.path}/{entry.name}" if folder.path else entry.name
        if _is_folder(entry):
            folders.append((Folder(path), entry.is_symlink()))
        elif is_image_name(entry.name) and (entry.is_symlink() or entry.is_file()):  # no pipe, which never ends
            folder.images.append(path)
        else:
            folder.others.append(path)
    return folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was not met before; it is noted."""
    identity = _identity(path)
    new = identity not in seen
    seen.add(identity)
    return new


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise DatasetError(f"folder can't be read: {path} ({error.strerror})") from error
    return status.st_dev, status.st_ino


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _OF_SYSTEMS

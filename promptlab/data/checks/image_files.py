"""Whether image files are there and can be read, all of them at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from promptlab.data.checks.decoding import newly_unreadable
from promptlab.data.checks.problems import PROBLEMS_LISTED, counted
from promptlab.data.sources.files import FileImages, names_in
from promptlab.support.words import shortened


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

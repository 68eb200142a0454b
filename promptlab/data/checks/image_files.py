"""Whether image files are there and can be read, all of them at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from promptlab.data.checks.decoding import Look, look_anew
from promptlab.data.checks.problems import PROBLEMS_LISTED, Finding, counted
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.data.sources.files import FileImages, names_in
from promptlab.support.words import shortened

Row = TypeVar("Row", bound=Sequence[Any])


@dataclass(frozen=True)
class ImageFiles:
    """What was found of some files.

    Args:
        root: the folder that paths are relative to.
        missing: paths without a file.
        gone: links to files that are missing.
        empty: files without a byte.
        whole: all others.
        look: what a look into those found.
    """

    root: Path
    missing: Sequence[str]
    gone: Sequence[str] = ()
    empty: Sequence[str] = ()
    whole: Sequence[str] = ()
    look: Look = field(default_factory=lambda: Look({}, {}))

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong."""
        return [
            *counted(f"images are missing under {self.root}", self.missing),
            *counted("images are links to files that are missing", self.gone),
            *counted("images are empty files", self.empty),
            *shortened(self.look.problems, PROBLEMS_LISTED),
        ]

    @cached_property
    def bad(self) -> Mapping[str, str]:
        """The files that can't be read, and why."""
        reasons = {path: "missing" for path in (*self.missing, *self.gone)} | dict.fromkeys(self.empty, "empty")
        for index, error in self.look.errors.items():
            reasons[self.whole[index]] = getattr(error, "reason", str(error))
        return reasons

    @property
    def remarks(self) -> list[Finding]:
        """What is unusual about files that can be read."""
        return self.look.findings(self.whole.__getitem__)


def examine_files(root: Path, paths: Iterable[str], *, validate: bool = True, reading: Reading = USUAL) -> ImageFiles:
    """Which images are missing, empty or can't be read, all of them.

    Args:
        root: the folder that paths are relative to.
        paths: the images.
        validate: look into the files; otherwise each folder is listed once, and what is missing is all that is found.
        reading: how they are read.
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
    if not validate:
        return ImageFiles(root, sorted(missing))
    sizes = {path: _size(os.path.join(root, path)) for path in there}
    whole = sorted(path for path, size in sizes.items() if size)
    return ImageFiles(
        root,
        sorted(missing),
        gone=sorted(path for path, size in sizes.items() if size is None),
        empty=sorted(path for path, size in sizes.items() if size == 0),
        whole=whole,
        look=look_anew(FileImages(root, whole, reading), range(len(whole))) if whole else Look({}, {}),
    )


def without_bad(
    root: Path, lists: Mapping[str, Sequence[Row]], reading: Reading = USUAL
) -> tuple[dict[str, list[Row]], list[Finding]]:
    """The rows whose images can be read, and what was left out.

    Args:
        root: the folder that paths are relative to.
        lists: by split, rows that begin with a path.
        reading: how they are read.
    """
    bad = examine_files(root, [row[0] for rows in lists.values() for row in rows], reading=reading).bad
    kept = {split: [row for row in rows if row[0] not in bad] for split, rows in lists.items()}
    names = tuple(f"{path} ({reason})" for path, reason in sorted(bad.items()))
    return kept, [Finding("images can't be read and are left out (skip_bad)", names)] if bad else []


def _size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name

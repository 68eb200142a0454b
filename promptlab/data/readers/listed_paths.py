r"""Paths as a list has them, to paths as the disk has them: other separators, other Unicode forms, other roots.

macOS writes ``é`` as two signs (NFD) and most tables as one (NFC); Windows writes ``cat\1.png``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from promptlab.data.sources.files import names_in
from promptlab.support.errors import DatasetError

_OF_WINDOWS = re.compile(r"([A-Za-z]:[\\/]|\\\\)")


def as_on_disk(root: Path, paths: Sequence[str]) -> list[str]:
    r"""The paths by which these images are found under ``root``; those that aren't there stay as they are.

    Folders are listed, and only for paths that can be written in two ways: no ASCII, or with backslashes.

    Args:
        root: the folder that paths are relative to.
        paths: as a table has them.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "cat").mkdir()
        >>> (root / "cat" / "1.png").touch()
        >>> as_on_disk(root, ["cat\\1.png", "dog/1.png"])
        ['cat/1.png', 'dog/1.png']
    """
    if all(path.isascii() and "\\" not in path for path in paths):
        return list(paths)
    folders = _Folders()
    return [path if path.isascii() and "\\" not in path else folders.find(root, path) for path in paths]


def under_one_root(root: Path, listed: Sequence[str], where: str) -> tuple[Path, list[str]]:
    """Paths relative to ``root``, or to the folder above all images where some lie elsewhere, as the disk has them.

    Args:
        root: the folder that paths are relative to.
        listed: as a table has them.
        where: what messages begin with.

    Raises:
        DatasetError: if paths are those of a Windows machine.
    """
    foreign = [path for path in listed if _OF_WINDOWS.match(path)] if os.sep == "/" else []
    if foreign:
        raise DatasetError(
            f"{where}: {len(foreign)} paths begin at a drive of Windows: {foreign[0]}. Write them relative to "
            "the images' folder, and name that by dataset.images=FOLDER."
        )
    paths = as_on_disk(root, listed)
    if not any(path[:1] in ("/", ".", os.sep) or "/." in path or "//" in path for path in paths):
        return root, paths
    whole = [os.path.normpath(root / path) for path in paths]
    if not all(path.startswith(f"{root}{os.sep}") for path in whole):
        root = Path(os.path.commonpath([os.path.dirname(path) for path in whole]))
    start = len(os.path.join(root, ""))
    return root, [path[start:].replace(os.sep, "/") for path in whole]


class _Folders:
    """Folders that were listed, with the names that are there by their NFC form."""

    def __init__(self) -> None:
        self._listed: dict[str, dict[str, str]] = {}

    def find(self, root: Path, path: str) -> str:
        """A path as the disk has it, part by part."""
        for written in dict.fromkeys((path, path.replace("\\", "/"))):
            found = ["/"] if written.startswith("/") else []
            for part in filter(None, written.split("/")):
                there = part if part in (".", "..") else self._in(os.path.join(root, *found), part)
                if there is None:
                    break
                found.append(there)
            else:
                return "/".join(found).replace("//", "/")
        return path

    def _in(self, folder: str, name: str) -> str | None:
        if folder not in self._listed:
            listed = names_in(folder)
            self._listed[folder] = {unicodedata.normalize("NFC", name): name for name in listed}
            self._listed[folder] |= {name: name for name in listed}
        names = self._listed[folder]
        return names.get(name) or names.get(unicodedata.normalize("NFC", name))

"""What a command line names as pictures: files, folders, patterns, and a list on standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from promptlab.data.readers.folder_tree import read_tree
from promptlab.evaluation.video import VIDEO_SUFFIXES, is_video_name
from promptlab.support.errors import UsageError

LIST = "-"
"""The argument that stands for a list on standard input."""


def files_given(arguments: Sequence[str], listed: BinaryIO) -> tuple[Iterator[str], int | None]:
    r"""The files, in the order of the arguments, and how many there are, None where a list is yet to be read.

    Of a folder all pictures and videos count, at any depth and sorted, hidden ones not. A name that is a file is never
    taken as a pattern.

    Args:
        arguments: paths, patterns (``*``, ``?``, ``[...]``, and ``**`` for folders at any depth), and ``-``.
        listed: where ``-`` is read from: a path a line, or with a NUL behind each.

    Raises:
        UsageError: for a folder without pictures, and a pattern that nothing fits.

    Example:
        >>> import io
        >>> files, total = files_given(["-"], io.BytesIO(b"a.jpg\nb c.jpg\n"))
        >>> list(files), total
        (['a.jpg', 'b c.jpg'], None)
    """
    if LIST in arguments:
        parts = [None if one == LIST else _files(one) for one in arguments]
        return (path for part in parts for path in (_listed(listed) if part is None else part)), None
    files = [path for one in arguments for path in _files(one)]
    return iter(files), len(files)


def _files(argument: str) -> list[str]:
    if os.path.isdir(argument):
        return _inside(argument)
    if os.path.lexists(argument) or not glob.has_magic(argument):
        return [argument]
    found = sorted(glob.glob(argument, recursive=True))
    if not found:
        raise UsageError(f"no file fits the pattern {argument}")
    return [path for one in found for path in (_inside(one, empty=True) if os.path.isdir(one) else [one])]


def _inside(folder: str, *, empty: bool = False) -> list[str]:
    tree, _ = read_tree(Path(folder))
    files = [
        os.path.join(folder, name)
        for inside in tree.walk()
        for name in sorted([*inside.images, *filter(is_video_name, inside.others)])
    ]
    if not files and not empty:
        raise UsageError(
            f"{folder} holds no pictures: files whose names end in .jpg, .png, .webp, ... are looked for, and videos "
            f"({', '.join(VIDEO_SUFFIXES)})"
        )
    return files


def _listed(stream: BinaryIO) -> Iterator[str]:
    """The paths of a list, as they come."""
    for line in stream:
        for name in line.split(b"\0"):
            if path := name.rstrip(b"\r\n"):
                yield os.fsdecode(path)

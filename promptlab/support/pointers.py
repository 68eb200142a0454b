"""Files that Git LFS left in place of the real ones: a few lines that say where those are.

Whoever reads weights, learned tensors or documents by path asks :func:`refuse_pointer` first: a reader's own message
would call such a file damaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_BEGINNING = b"version https://git-lfs.github.com/spec/"
_LONGEST = 1024


def refuse_pointer(path: str | Path, error: Callable[[str], Exception]) -> None:
    r"""Refuse a file that is a pointer of Git LFS; any other file, also one that isn't there, is the reader's to judge.

    Args:
        path: the file.
        error: makes the error of a message.

    Raises:
        Exception: what ``error`` makes: what the file is, and what to do.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "learned.safetensors")
        >>> _ = path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4180\n")
        >>> refuse_pointer(path, ValueError)
        Traceback (most recent call last):
        ValueError: ...learned.safetensors is a pointer of Git LFS, not the file itself (of 4,180 bytes): ...
    """
    try:
        with Path(path).open("rb") as file:
            beginning = file.read(_LONGEST)
    except OSError:
        return
    if not beginning.startswith(_BEGINNING):
        return
    size = re.search(rb"^size (\d+)", beginning, re.MULTILINE)
    real = f" (of {int(size[1]):,} bytes)" if size else ""
    raise error(
        f"{path} is a pointer of Git LFS, not the file itself{real}: run `git lfs install` and `git lfs pull` in its "
        "repository, or download the file by itself"
    )

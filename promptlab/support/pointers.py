"""Files that Git LFS left in place of the real ones: a few lines that say where those are.

Whoever reads weights, learned tensors, documents or texts by path asks :func:`refuse_pointer` first: a reader's own
message would call such a file damaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_BEGINNING = b"version https://git-lfs.github.com/spec/"
LONGEST = 1024
POINTER = "a pointer of Git LFS"
CURE = "run `git lfs install` and `git lfs pull` in its repository, or download the file by itself"


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
            beginning = file.read(LONGEST)
    except OSError:
        return
    said = what_pointer(beginning)
    if said is not None:
        raise error(f"{path} is {said}")


def what_pointer(beginning: bytes) -> str | None:
    """What to say of a file that is a pointer, after its name and "is"; None for any other.

    Args:
        beginning: its first bytes, LONGEST or more where there are so many.

    Example:
        >>> what_pointer(b"a file") is None
        True
    """
    if not beginning.startswith(_BEGINNING):
        return None
    size = re.search(rb"^size (\d+)", beginning, re.MULTILINE)
    real = f" (of {int(size[1]):,} bytes)" if size else ""
    return f"{POINTER}, not the file itself{real}: {CURE}"

"""Files that are either the old version or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write ``path`` by another file beside it, so that readers, and a crash, see the old one or the whole new one.

    What the block has written reaches the disk and takes the name in one step. If the block raises, the old file stays
    and the temporary one is removed. Missing folders are made.

    Args:
        path: the file to write.

    Yields:
        The temporary file in the same folder, empty, for whoever writes by path.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> with replacing(Path(folder.name, "notes.txt")) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> os.listdir(folder.name)
        ['notes.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        yield Path(name)
        _sync(Path(name))
        os.chmod(name, _usual_mode())  # mkstemp makes files that only their owner can read
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    with suppress(OSError):  # makes the rename last through a power cut, where the platform can open folders
        _sync(path.parent)


@contextmanager
def open_atomic(path: str | Path) -> Iterator[BinaryIO]:
    """Write ``path`` as :func:`replacing` does.

    Args:
        path: the file to write.

    Yields:
        A binary file, open for writing.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        yield file


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` as :func:`open_atomic` does."""
    with open_atomic(path) as file:
        file.write(data)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8 as :func:`open_atomic` does."""
    write_bytes_atomic(path, text.encode("utf-8"))


def _usual_mode() -> int:
    """The permissions that a newly made file has for this user."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

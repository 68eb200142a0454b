"""What the disk may say: full, no permission; and one preparation of a dataset at a time."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlab.support.errors import DatasetError
from promptlab.support.locks import HeldError, lock_file

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class DiskError(DatasetError):
    """The disk doesn't take what is fine in itself."""


def explained(error: OSError, doing: str, folder: Path) -> DiskError:
    """An error of the disk, in words.

    Args:
        error: what was raised.
        doing: what was being done, e.g. ``unpacking x.zip``.
        folder: where.
    """
    if error.errno in _FULL:
        return DiskError(f"{doing}: the disk of {folder} is full. Make room and run it again: it goes on from here.")
    if error.errno in _FORBIDDEN:
        return DiskError(f"{doing}: no permission to write to {error.filename or folder} ({error.strerror})")
    where = f" at {error.filename}" if error.filename else ""
    return DiskError(f"{doing}: {error.strerror or error}{where}")


def require_space(folder: Path, needed: int, name: str) -> None:
    """Make sure that so many bytes fit.

    Raises:
        DiskError: if they don't.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskError(
            f"{name} needs {needed / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB left. "
            "Make room and run it again."
        )


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder for oneself; the system lets go of it when the process ends, however it ends.

    Args:
        folder: it is made, and removed afterwards if it is empty.

    Raises:
        DatasetError: if another process holds it.
        OSError: if it can't be made.
    """
    path = folder / "lock"
    try:
        with lock_file(path, wait=False):
            try:
                yield
            finally:
                if {entry.name for entry in folder.iterdir()} == {path.name}:
                    path.unlink()
                    folder.rmdir()
    except HeldError:
        raise DatasetError(f"another `promptlab data prepare` is at work in {folder.parent}: wait for it") from None

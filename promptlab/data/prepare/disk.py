"""What the disk may say: full, no permission; and one preparation of a dataset at a time."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlab.support.errors import DatasetError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
log = logging.getLogger(__name__)


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
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise DatasetError(f"another `promptlab data prepare` is at work in {folder.parent}: wait for it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
            log.warning("%s is on a file system without locks: prepare a dataset there only once at a time", folder)
        if _is_same(handle, path):
            break
        os.close(handle)  # its last holder removed it meanwhile
    try:
        yield
    finally:
        if {entry.name for entry in folder.iterdir()} == {path.name}:
            path.unlink()
            folder.rmdir()
        os.close(handle)


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False

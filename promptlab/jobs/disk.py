"""Disks that can't be written to: the key and the folder are named with what is wrong."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlab.support.errors import PromptlabError
from promptlab.support.paths import cache_dir

_WRONG = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on that disk is used up",
    errno.EROFS: "that file system is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.ENOENT: "no folder can be made there",
    errno.ENOTDIR: "a file is in the way of a folder",
    errno.EEXIST: "a file is in the way of a folder",
    errno.ENAMETOOLONG: "a name in it is too long for that file system",
}


class DiskError(PromptlabError, OSError):
    """A folder that promptlab writes to can't be written to."""


@contextmanager
def naming_folders(results: str | Path) -> Iterator[None]:
    """Say of an error of the disk which key names the folder, and what to do.

    Args:
        results: where results go.

    Raises:
        DiskError: in place of the system's own error, where it is about that folder or the cache.
    """
    try:
        yield
    except PromptlabError:
        raise
    except OSError as error:
        wrong = _WRONG.get(error.errno or 0)
        folders = {"PROMPTLAB_CACHE": cache_dir(), "results": Path(results).absolute()}
        where = Path(str(error.filename)).absolute() if error.filename else folders["results"]
        named = [key for key, folder in folders.items() if where.is_relative_to(folder) or folder.is_relative_to(where)]
        if wrong is None or not named:
            raise
        raise DiskError(
            f"{named[0]}={folders[named[0]]}: {wrong} ({where}). Give {named[0]}=FOLDER on a disk with room "
            "that you can write to; the same command then goes on"
        ) from error

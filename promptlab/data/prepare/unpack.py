"""Unpacking what is wanted of an archive: tar in any compression, or zip. Nothing lands outside the given folder.

Every member's name is checked, wanted or not, and only folders and plain files are made: a link in a tar is written as
a copy of the member that it means, so that no link of an archive ever exists on the disk.
"""

from __future__ import annotations

import errno
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from promptlab.data.prepare.disk import explained, require_space
from promptlab.support.errors import DatasetError
from promptlab.support.progress import byte_progress

Member = tuple[PurePosixPath, Callable[[], IO[bytes]] | None, int]
"""A member's path, what opens it (None for a folder), and the bytes of the archive read by then."""
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)

_DAMAGED = (None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""None is gzip's and bz2's way to say so; the others come of a member that is a file and a folder at once."""


def unpack(archive: Path, folder: Path, wanted: Collection[str]) -> None:
    """Write what is wanted of an archive, under its paths in the archive.

    Args:
        archive: a tar, compressed or not, or a zip; told apart by contents.
        folder: where it goes; made if it is missing. It should be empty, and is of no use if this raises.
        wanted: paths in the archive of files and folders; a folder's contents come with it.

    Raises:
        DatasetError: if it is no archive, is damaged, lacks what is wanted, has a member that would lie elsewhere, or
            the disk doesn't take it.
    """
    parts = {path: PurePosixPath(path) for path in wanted}
    seen: set[str] = set()
    try:
        folder.mkdir(exist_ok=True)
        with byte_progress(f"unpacking {archive.name}", archive.stat().st_size) as advance:
            read = 0
            for path, opener, position in _members(archive, folder):
                belongs = [name for name, part in parts.items() if path.is_relative_to(part)]
                if belongs:
                    seen.update(belongs)
                    _make(folder / path, opener)
                advance(max(0, position - read))
                read = max(read, position)
    except DatasetError:
        raise
    except OSError as error:
        if error.errno in _DAMAGED:
            raise _damaged(archive, error) from error
        raise explained(error, f"unpacking {archive.name}", folder) from error
    except _BROKEN as error:
        raise _damaged(archive, error) from error
    missing = sorted(parts.keys() - seen)
    if missing:
        raise DatasetError(f"{archive.name} has no {missing[0]}: it isn't the archive that it should be")


def _members(archive: Path, folder: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive, folder)
    elif tarfile.is_tarfile(archive):
        yield from _tar_members(archive)
    else:
        raise DatasetError(f"{archive.name} is neither a tar nor a zip archive, or is damaged: it can't be unpacked")


def _tar_members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as tar:
        for member in tar:
            path = _inside(archive, member.name)
            if member.isdir():
                yield path, None, file.tell()
            elif member.isreg() or member.islnk() or member.issym():
                yield path, lambda member=member: _opened(archive, tar, member), file.tell()  # type: ignore[misc]
            else:
                raise _refused(archive, member.name, "is neither a file nor a folder")


def _opened(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    try:
        opened = tar.extractfile(member)
    except KeyError:
        opened = None
    if opened is None:
        raise _refused(archive, member.name, f"is a link to {member.linkname}, which is no file of the archive")
    return opened


def _zip_members(archive: Path, folder: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        require_space(folder, sum(member.file_size for member in file.infolist()), f"what is in {archive.name}")
        read = 0
        for member in file.infolist():
            path = _inside(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _refused(archive, member.filename, "is a link")
            read += member.compress_size
            yield path, None if member.is_dir() else lambda member=member: file.open(member), read  # type: ignore[misc]


def _inside(archive: Path, name: str) -> PurePosixPath:
    """A member's path, if it lies in the folder that it is unpacked into."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or path.parts[:1] == ("~",):
        raise _refused(archive, name, "would lie outside the folder")
    return path


def _make(path: Path, opener: Callable[[], IO[bytes]] | None) -> None:
    if opener is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener() as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _refused(archive: Path, name: str, why: str) -> DatasetError:
    return DatasetError(f"{archive.name} is refused: its member {name!r} {why}. Nothing of it was kept.")


def _damaged(archive: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{archive.name} is damaged and can't be unpacked ({str(error) or type(error).__name__})")

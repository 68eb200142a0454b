"""Files that are either the old version or the new one, never half of it."""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

_OWNER = re.compile(r"\.([0-9a-f]{8})-(\d+)\.[^.]+\.tmp$")
_DAY_SECONDS = 86400.0


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write ``path`` by another file beside it, so that readers, and a crash, see the old one or the whole new one.

    What the block has written reaches the disk and takes the name in one step. If the block raises, the old file stays
    and the temporary one is removed. Missing folders are made.

    Args:
        path: the file to write.

    Yields:
        The temporary file in the same folder, empty, for whoever writes by path.

    Raises:
        IsADirectoryError: if it is a folder.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> with replacing(Path(folder.name, "notes.txt")) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> os.listdir(folder.name)
        ['notes.txt']
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: the name of a file is needed")
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{_host()}-{os.getpid()}."  # says whose it is: see sweep_leftovers
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
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


def sweep_leftovers(folder: Path) -> None:
    """Delete the temporary files of writers that were killed.

    Those are a process's of this machine that has ended, and any that are older than a day.

    Args:
        folder: where they lie; folders inside it are left alone, and it need not exist.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> left = Path(folder.name, f".result.json.{_host()}-999999999.abcdefgh.tmp")
        >>> left.touch()
        >>> sweep_leftovers(Path(folder.name))
        >>> left.exists()
        False
    """
    for path in folder.glob(".*.tmp"):
        owner = _OWNER.search(path.name)
        with suppress(OSError):
            dead = owner is not None and owner[1] == _host() and not _is_alive(int(owner[2]))
            if dead or time.time() - path.stat().st_mtime > _DAY_SECONDS:
                path.unlink()
                log.info("deleted %s, which a killed process left", path)


def set_aside(path: Path, why: object, then: str) -> Path:
    """Give a file that can't be used another name beside its own, and say so; nothing is lost.

    Args:
        path: the file, or a folder that stands in its place.
        why: what is wrong with it.
        then: what happens now, in words.

    Returns:
        Its new path, ``NAME.damaged-TIME-PROCESS``.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> notes = Path(folder.name, "notes.txt")
        >>> write_text_atomic(notes, "torn")
        >>> set_aside(notes, "it is torn", "starting afresh").name.startswith("notes.txt.damaged-")
        True
    """
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    path.replace(aside)
    reason = str(why).removeprefix(f"{path}: ")
    log.warning("%s is damaged, or can't be used (%s): kept as %s, %s", path, reason, aside.name, then)
    return aside


@cache
def _host() -> str:
    """This machine, or the container on it, within which a process's number means one process: 8 digits."""
    name = socket.gethostname()
    with suppress(OSError):
        name += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(name.encode()):08x}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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

"""Lock files between processes: the system lets go of one when its holder ends, however it ends."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from promptlab.support.errors import PromptlabError

try:
    import fcntl
except ImportError:  # not on Windows, which doesn't let open files be renamed either
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class HeldError(PromptlabError, RuntimeError):
    """Another process holds the lock."""


@contextmanager
def lock_file(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file.

    The holder may remove the file, and its folder, before it lets go: whoever opened it meanwhile makes it again. On a
    file system without locks there is a warning, and nobody is held off.

    Args:
        path: the file; it is made, with its folder, and stays.
        wait: wait for another process that holds it, with a warning; otherwise it is refused.

    Raises:
        HeldError: if another process holds it and ``wait`` is false.
        OSError: if it can't be made.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "lock")
        >>> with lock_file(path), lock_file(path, wait=False):
        ...     pass
        Traceback (most recent call last):
        promptlab.support.locks.HeldError: another process works in ...
    """
    lock = FileLock(path)
    try:
        while not _acquired(lock, path, wait):
            pass
        yield
    finally:
        lock.release()


@contextmanager
def sharing(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold a lock file together with others, or alone once they have let go.

    Where the system or the disk has no such locks, or the file can't be made, nobody is held off.

    Args:
        path: the file; it is made and stays.
        alone: wait until nobody else holds it, and keep others waiting.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with sharing(Path(folder.name, "lock")), sharing(Path(folder.name, "lock")):
        ...     pass
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    try:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def taking(paths: Iterable[Path], enough: Callable[[list[Path]], bool]) -> Iterator[list[Path]]:
    """Hold those of several lock files that nobody else holds, until there are enough; waits for none.

    Where the disk has no locks, all count as free.

    Args:
        paths: the files, in the order of trying; they are made, in a folder that is there, and stay.
        enough: told what is held, whether that will do.

    Yields:
        What is held, perhaps nothing.
    """
    held: list[Path] = []
    with ExitStack() as stack:
        for path in paths:
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
                stack.callback(lock.release)
            except Timeout:
                continue
            except (OSError, NotImplementedError):
                log.debug("no lock on %s", path)
            held.append(path)
            if enough(held):
                break
        yield held


def _acquired(lock: FileLock, path: Path, wait: bool) -> bool:
    """One attempt; False where the last holder removed the file while it was being opened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not path.exists():
            return False
        if not wait:
            raise HeldError(f"another process works in {path.parent}") from None
        log.warning("another process works in %s: waiting for it", path.parent)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter is what older versions of filelock raise for ENOSYS
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        log.warning("%s is on a file system without locks: use it from one process at a time", path.parent)
    return True

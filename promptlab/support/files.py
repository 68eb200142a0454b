"""Files that are either the old version or the new one, never half of it."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from promptlab.support import reads

_CURE = "it seems to be {0}: save it as UTF-8 (iconv -f {0} -t UTF-8 FILE)"


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


def read_text(path: str | Path) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: if it can't be read.
        UnicodeDecodeError: if it is in another encoding; its message names that, and the cure.
    """
    reads.note(path)
    return decoded(Path(path).read_bytes())


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a text file as :func:`read_text` reads it, with its line breaks as they are, for files too long to hold.

    Raises:
        OSError: if it can't be read.
        UnicodeDecodeError: as :func:`read_text`, also while it is read.
    """
    reads.note(path)
    with open(path, "rb") as file:
        _refuse_utf16(file.read(100))
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise UnicodeDecodeError("utf-8", error.object, error.start, error.end, _CURE.format("LATIN1")) from None


def decoded(data: bytes) -> str:
    """Bytes as text, read as UTF-8 with or without a byte order mark.

    Raises:
        UnicodeDecodeError: naming the encoding that the bytes seem to have, and the cure.

    Example:
        >>> decoded("caf\u00e9".encode("utf-8-sig")) == "caf\u00e9"
        True
        >>> decoded("cat".encode("utf-16"))
        Traceback (most recent call last):
        UnicodeDecodeError: ...it seems to be UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8 FILE)
    """
    _refuse_utf16(data[:100])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnicodeDecodeError("utf-8", data, error.start, error.end, _CURE.format("LATIN1")) from None


def _refuse_utf16(start: bytes) -> None:
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in start:
        raise UnicodeDecodeError("utf-8", start, 0, min(len(start), 2), _CURE.format("UTF-16"))


def text_lines(path: str | Path) -> list[str]:
    r"""The lines of a text file in UTF-8 that are not blank, stripped.

    Raises:
        OSError: if it can't be read.
        UnicodeDecodeError: as :func:`read_text`.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> notes = Path(folder.name, "names.txt")
        >>> write_text_atomic(notes, "cat\n\n dog \n")
        >>> text_lines(notes)
        ['cat', 'dog']
    """
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


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

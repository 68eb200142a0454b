"""Text files in UTF-8, with or without a byte order mark; other encodings are named with the cure."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from promptlab.support import reads

_CURE = "it seems to be {0}: save it as UTF-8 (iconv -f {0} -t UTF-8 FILE)"


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
        _refuse_wider(file.read(100))
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
    _refuse_wider(data[:100])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnicodeDecodeError("utf-8", data, error.start, error.end, _CURE.format("LATIN1")) from None


def text_lines(path: str | Path) -> list[str]:
    r"""The lines of a text file in UTF-8 that are not blank, stripped.

    Raises:
        OSError: if it can't be read.
        UnicodeDecodeError: as :func:`read_text`.

    Example:
        >>> import tempfile
        >>> notes = Path(tempfile.mkdtemp(), "names.txt")
        >>> _ = notes.write_text("cat\n\n dog \n")
        >>> text_lines(notes)
        ['cat', 'dog']
    """
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _refuse_wider(start: bytes) -> None:
    if start[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise UnicodeDecodeError("utf-8", start, 0, 4, _CURE.format("UTF-32"))
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in start:
        raise UnicodeDecodeError("utf-8", start, 0, min(len(start), 2), _CURE.format("UTF-16"))

"""A download that is not whole yet: its bytes so far, and which version of the server's file they are of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from promptlab.support.files import write_text_atomic


@dataclass(frozen=True)
class Version:
    """What a server says of a file.

    Args:
        url: where it is.
        etag: the server's mark of this version, or None.
        modified: the server's date of this version, or None.
        length: bytes of the whole file, or None where the server doesn't say.
    """

    url: str
    etag: str | None = None
    modified: str | None = None
    length: int | None = None

    @classmethod
    def said(cls, url: str, headers: Message, length: int | None) -> Version:
        """The version that an answer's headers tell of."""
        return cls(url, headers.get("ETag"), headers.get("Last-Modified"), length)

    @property
    def mark(self) -> str | None:
        """What ``If-Range`` may ask with: a strong ETag, else the date."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified

    def differs(self, other: Version) -> bool:
        """Whether both can't be the same contents."""
        marks = (self.etag, other.etag) if self.etag and other.etag else (self.modified, other.modified)
        pairs = ((self.url, other.url), marks, (self.length, other.length))
        return any(mine != theirs for mine, theirs in pairs if mine and theirs)


class Part:
    """``FILE.part``, and beside it ``FILE.part.json`` with the version that its bytes are of.

    Args:
        path: where the whole file will be.
    """

    def __init__(self, path: Path) -> None:
        self.whole = path
        self.path = path.with_name(f"{path.name}.part")
        self._facts = path.with_name(f"{path.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> Version | None:
        """The version that the bytes are of; None if there are none, or nobody knows."""
        try:
            return Version(**json.loads(self._facts.read_text(encoding="utf-8"))) if self.size else None
        except (OSError, ValueError, TypeError):
            return None

    def start(self, version: Version) -> BinaryIO:
        """Begin anew; returns the empty file, open for writing."""
        self.path.write_bytes(b"")  # first, so that old bytes never stand beside the new version's facts
        write_text_atomic(self._facts, json.dumps(asdict(version)))
        return self.go_on()

    def go_on(self) -> BinaryIO:
        """The file, open for more bytes; each write goes to the system at once."""
        return open(self.path, "ab", buffering=0)

    def discard(self) -> None:
        """Delete the bytes."""
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Give the file its name; returns its path."""
        self.path.replace(self.whole)
        self._facts.unlink(missing_ok=True)
        return self.whole

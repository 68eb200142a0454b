"""Zip archives that are checked before they are read, and can carry a checksum of all their bytes.

``torch.load`` passes over the checksums that its own archives hold. The checksum here is SHA-256 and stands in the
archive's comment, where readers of zip files pass over it.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib

from promptlab.support.checksums import DamageError

_SEAL = re.compile(rb"promptlab sha256:([0-9a-f]{64})\Z")
_SEAL_BYTES = len(b"promptlab sha256:") + 64


def seal_archive(data: bytes) -> bytes:
    """The bytes of an archive without a comment, with its checksum as the comment."""
    body = data[:-2] + _SEAL_BYTES.to_bytes(2, "little")  # an archive ends with the length of its comment
    return body + b"promptlab sha256:" + hashlib.sha256(body).hexdigest().encode()


def check_archive(data: bytes) -> bool:
    """Check an archive's bytes by its checksum, or, without one, each part by the 32 bits that zip has for it.

    Returns:
        Whether it has a checksum.

    Raises:
        DamageError: if something is damaged, or it is no archive.

    Example:
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("notes", "whole")
        >>> check_archive(file.getvalue()), check_archive(seal_archive(file.getvalue()))
        (False, True)
    """
    seal = _SEAL.search(data[-_SEAL_BYTES:])
    if seal is not None:
        if hashlib.sha256(data[:-_SEAL_BYTES]).hexdigest().encode() != seal[1]:
            raise DamageError("its bytes are not those that were written: it is damaged")
        return True
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, EOFError) as error:
        raise DamageError(f"it is damaged, or no archive ({error})") from error
    if damaged is not None:
        raise DamageError(f"its part {damaged} is damaged")
    return False

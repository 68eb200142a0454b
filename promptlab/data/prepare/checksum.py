"""Whether a file is the one that somebody recorded."""

from __future__ import annotations

import hashlib
from pathlib import Path

from promptlab.data.prepare.sources import Remote


def checksum_problem(path: Path, remote: Remote) -> str | None:
    """What is wrong with a downloaded file, in words; None if nothing is, or nobody recorded a checksum."""
    if remote.digest is None:
        return None
    kind, expected = remote.digest
    with path.open("rb") as file:
        head = file.read(64).lstrip()
        file.seek(0)
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    if found == expected:
        return None
    page = " It is a web page: something between here and the server answered in its place." * head.startswith(b"<")
    return (
        f"{remote.url}: its {kind} is {found}, and {remote.checksum_of or 'its source'} recorded {expected}. The file "
        f"was deleted.{page} Run it again; if that doesn't help, the file on the server has changed."
    )

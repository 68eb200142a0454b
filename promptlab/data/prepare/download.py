"""A file from a server: resumed where it stopped, tried again when the connection drops, and checked.

Bytes of two versions of a file are never joined: what is resumed is asked for with ``If-Range``, and the answer's
version is compared with that of the bytes at hand (:mod:`promptlab.data.prepare.part`).
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from promptlab.data.prepare.checksum import checksum_problem
from promptlab.data.prepare.disk import explained, require_space
from promptlab.data.prepare.part import Part, Version
from promptlab.data.prepare.sources import Remote
from promptlab.support.errors import DatasetError
from promptlab.support.progress import byte_progress
from promptlab.support.version import __version__

log = logging.getLogger(__name__)
CHUNK = 1 << 20
_PASSING = (408, 425, 429)


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Args:
        attempts: in a row that bring nothing new.
        timeout: seconds that a server may say nothing.
        wait: seconds before the second attempt; doubled each time.
        longest_wait: seconds.
    """

    attempts: int = 6
    timeout: float = 60.0
    wait: float = 1.0
    longest_wait: float = 30.0


class _AgainError(Exception):
    """An attempt that failed in a way that may pass."""


def download(
    remote: Remote, folder: Path, patience: Patience | None = None, say: Callable[[str], None] = log.info
) -> Path:
    """Download a file, or the rest of it.

    Args:
        remote: the file.
        folder: where it goes; there it is ``NAME.part`` until it is whole and checked.
        patience: how long to try.
        say: is told what goes wrong on the way.

    Returns:
        The whole file. One that is there already was checked when it got its name, and is not fetched again.

    Raises:
        DatasetError: if the server doesn't give it, it isn't what it should be, or the disk doesn't take it.
    """
    part = Part(folder / remote.name)
    if part.whole.is_file():
        return part.whole
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(remote, part, patience or Patience(), say)
        problem = checksum_problem(part.path, remote)
        if problem is not None:
            part.discard()
            raise DatasetError(problem)
        return part.finish()
    except OSError as error:
        raise explained(error, f"downloading {remote.name}", folder) from error


def _fetch(remote: Remote, part: Part, patience: Patience, say: Callable[[str], None]) -> None:
    """Attempts until the file is whole; those that bring new bytes don't count."""
    failures, furthest = 0, part.size
    while True:
        try:
            return _attempt(remote, part, patience)
        except _AgainError as error:
            if part.size > furthest:
                failures, furthest = 0, part.size
            failures += 1
            if failures >= patience.attempts:
                kept = f" {part.size:,} bytes are kept: run it again to go on." if part.size else ""
                raise DatasetError(f"{remote.url} can't be downloaded: {error} ({failures} attempts).{kept}") from error
            wait = min(patience.longest_wait, patience.wait * 2 ** (failures - 1))
            say(f"{error}: trying again in {wait:.0f} s")
        time.sleep(wait)


def _attempt(remote: Remote, part: Part, patience: Patience) -> None:
    """Ask for what is missing, and write it down."""
    held = part.version
    if held is None or held.url != remote.url or not (held.mark or (remote.digest and held.length)):
        part.discard()
        held = None
    have = part.size
    if held and held.length == have:
        return
    headers = {"User-Agent": f"promptlab/{__version__}", "Accept-Encoding": "identity"}
    if held:
        headers["Range"] = f"bytes={have}-"
        headers |= {"If-Range": held.mark} if held.mark else {}
    try:
        with urlopen(Request(remote.url, headers=headers), timeout=patience.timeout) as response:
            version = _version(remote, response, part)
            _receive(response, part, version, remote)
    except HTTPError as error:
        _refused(error, part, held)
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DatasetError(f"{remote.url}: the server's certificate is not valid ({error.reason})") from error
        raise _AgainError(str(error.reason)) from error
    except (HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _AgainError(f"the connection broke ({str(error) or type(error).__name__})") from error


def _version(remote: Remote, response: HTTPResponse, part: Part) -> Version:
    """The version that is being sent.

    Raises:
        _AgainError: if it doesn't go on from the bytes at hand, which are discarded.
        DatasetError: if it can't be the file that is wanted.
    """
    length = response.headers.get("Content-Length")
    total = int(length) if length and length.isdecimal() else None
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        total = int(span[2]) if span and span[2] != "*" else None
        version, held = Version.said(remote.url, response.headers, total), part.version
        if span is None or int(span[1]) != part.size or held is None or version.differs(held):
            part.discard()
            raise _AgainError("the file on the server has changed meanwhile")
    if remote.size is not None and total is not None and total != remote.size:
        part.discard()
        raise DatasetError(
            f"{remote.url} has {total:,} bytes now, {remote.size:,} are expected: it is another file. "
            "Nothing was downloaded."
        )
    return Version.said(remote.url, response.headers, total)


def _receive(response: HTTPResponse, part: Part, version: Version, remote: Remote) -> None:
    resumed = response.status == 206
    have = part.size if resumed else 0
    if version.length is not None:
        require_space(part.path.parent, version.length - have, remote.name)
    with (
        _opened(part, version, resumed) as file,
        byte_progress(remote.name, version.length, start=have) as advance,
    ):
        while chunk := response.read1(CHUNK):
            _write(file, chunk, part)
            have += len(chunk)
            advance(len(chunk))
    if version.length is not None and have < version.length:
        raise _AgainError(f"the connection broke after {have:,} of {version.length:,} bytes")
    if version.length is not None and have > version.length:
        part.discard()
        raise _AgainError(f"the server sent {have:,} bytes and had announced {version.length:,}")


def _opened(part: Part, version: Version, resumed: bool) -> BinaryIO:
    """The part, open for writing; a full disk is no broken connection."""
    try:
        return part.go_on() if resumed else part.start(version)
    except OSError as error:
        raise explained(error, f"downloading {part.whole.name}", part.path.parent) from error


def _write(file: BinaryIO, chunk: bytes, part: Part) -> None:
    try:
        rest = memoryview(chunk)
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise explained(error, f"downloading {part.whole.name}", part.path.parent) from error


def _refused(error: HTTPError, part: Part, held: Version | None) -> None:
    """What an answer other than the file means.

    Raises:
        _AgainError: if it may pass.
        DatasetError: if it won't.
    """
    if error.code == 416 and held is not None:
        if error.headers.get("Content-Range") == f"bytes */{part.size}" and held.length is None:
            return  # all of it was there; only the server knew
        part.discard()
        raise _AgainError("the file on the server has changed meanwhile") from error
    said = f"{error.code} {error.reason}".strip()
    if error.code in _PASSING or error.code >= 500:
        raise _AgainError(f"the server answers {said}") from error
    raise DatasetError(f"{error.url} can't be downloaded: the server answers {said}. The file may have moved.")

"""From a server to its place: downloaded, checked, unpacked beside its place, and moved there in one step.

All of it happens in ``.prepare``, a folder beside the dataset's images that no reader looks into. What is at its place
already is never touched. Killed at any moment, the next call goes on: a download from its last byte, an archive that
was whole from there.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from promptlab.data.prepare.disk import DiskError, explained, only_one
from promptlab.data.prepare.download import Patience, download
from promptlab.data.prepare.sources import Remote, find, is_needed
from promptlab.data.prepare.unpack import unpack
from promptlab.support.errors import DatasetError

log = logging.getLogger(__name__)
WORK = ".prepare"


def install(
    remotes: Iterable[Remote],
    root: Path,
    *,
    layouts: Sequence[str] = (),
    patience: Patience | None = None,
    say: Callable[[str], None] = log.info,
) -> None:
    """Bring files to their places.

    Args:
        remotes: what is wanted.
        root: the folder of datasets; it is made if it is missing.
        layouts: image folders that are read besides CoOp's; what lies in one of them isn't fetched.
        patience: how long to try to download.
        say: is told what happens, a line at a time.

    Raises:
        DatasetError: naming the file that can't be had, and why.

    Example:
        >>> with tempfile.TemporaryDirectory() as root:
        ...     (Path(root) / "pets").mkdir()
        ...     (Path(root) / "pets" / "list.txt").write_text("cat")
        ...     install([Remote("https://example.org/list.txt", {"": "pets/list.txt"})], Path(root))  # nothing to do
        3
    """
    for remote in remotes:
        if not is_needed(remote, root, layouts) or not _absent(remote, root, layouts):
            continue
        work = root / Path(next(iter(remote.place.values()))).parts[0] / WORK
        try:
            with only_one(work):
                _clear(work)
                _install(remote, root, layouts, work, patience, say)
        except OSError as error:
            raise explained(error, f"preparing {remote.name}", work.parent) from error
        finally:
            with suppress(OSError):
                work.parent.rmdir()  # only if nothing is in it


def _install(
    remote: Remote,
    root: Path,
    layouts: Sequence[str],
    work: Path,
    patience: Patience | None,
    say: Callable[[str], None],
) -> None:
    absent = _absent(remote, root, layouts)  # again: another process may have just brought it
    if not absent:
        return
    say(f"downloading {remote.url}")
    archive = download(remote, work, patience, say)
    kind = f"{remote.digest[0]} as {remote.checksum_of} recorded it" if remote.digest else (
        "nobody recorded a checksum; only its size and its readability are checked")  # fmt: skip
    say(f"downloaded  {archive.stat().st_size:,} bytes, {kind}")
    if "" in remote.place:
        _move(archive, root / remote.place[""], say)
        return
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=work) as name:
        folder = Path(name)
        try:
            _unpack(remote, archive, folder, absent)
        except DiskError:
            raise
        except DatasetError:
            archive.unlink()  # what can't be unpacked now can't be unpacked later
            raise
        os.sync()  # the contents reach the disk before their names do
        for inside, place in absent.items():
            _move(folder / inside, root / place, say)
    archive.unlink()


def _unpack(remote: Remote, archive: Path, folder: Path, absent: dict[str, str]) -> None:
    if remote.inner is None:
        unpack(archive, folder, absent)
        return
    outer = folder / ".outer"
    unpack(archive, outer, [remote.inner])
    unpack(outer / remote.inner, folder, absent)


def _absent(remote: Remote, root: Path, layouts: Sequence[str]) -> dict[str, str]:
    """What of a file's contents is nowhere on this disk."""
    return {inside: place for inside, place in remote.place.items() if find(root, place, layouts) is None}


def _move(source: Path, target: Path, say: Callable[[str], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    say(f"in place    {target}")


def _clear(work: Path) -> None:
    """Remove what a killed process left half unpacked."""
    for folder in work.glob("unpack-*"):
        shutil.rmtree(folder)

"""Which kind of file system a folder lies on: on those that several machines share, SQLite's locks can't be trusted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_SHARED = re.compile(
    "9p|acfs|afs|afpfs|beegfs|ceph|cifs|coda|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs|pvfs2|smb3|smbfs|"
    r"virtiofs|webdav|wekafs|fuse\.(?!fuse-overlayfs|bindfs|gocryptfs|encfs|mergerfs|ntfs-3g).*"
)
"""Kinds that machines share; of those in user space all but what is known to lie on a disk."""
Mount = tuple[str, str]
"""Where something is mounted, and its kind."""


def shared_kind(path: Path) -> str | None:
    """The kind of file system that a path lies on, if machines share it; None for disks, and where nobody can tell.

    Args:
        path: need not exist: the nearest folder above it counts.

    Example:
        >>> shared_kind(Path("/proc")) is None
        True
    """
    return kind_among(mounts(), os.path.realpath(path))


def kind_among(mounted: Iterable[Mount], path: str) -> str | None:
    """As :func:`shared_kind`, of these mounts.

    Args:
        mounted: in the order of mounting: later ones hide earlier ones.
        path: absolute, without symbolic links.

    Example:
        >>> kind_among([("/", "ext4"), ("/home", "nfs4")], "/home/ada/.cache")
        'nfs4'
        >>> kind_among([("/", "nfs4"), ("/tmp", "tmpfs")], "/tmp/cache") is None
        True
    """
    kind, longest = "", -1
    for point, candidate in mounted:
        if len(point) >= longest and Path(path).is_relative_to(point):
            kind, longest = candidate, len(point)
    return kind if _SHARED.fullmatch(kind) else None


def mounts() -> list[Mount]:
    """What is mounted where, as the system tells; nothing where it doesn't."""
    if _MOUNTS.exists():
        return list(map(mount_of, _MOUNTS.read_text(errors="surrogateescape").splitlines()))
    if sys.platform == "darwin":
        said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False).stdout
        return re.findall(r"^.* on (.*) \(([^,)]+)", said, flags=re.MULTILINE)
    return []


def mount_of(line: str) -> Mount:
    r"""A line of Linux's ``mountinfo``, in which blanks in paths are spelled in octal.

    Example:
        >>> mount_of(r"36 35 98:0 /mnt1 /my\040data rw,noatime master:1 - nfs4 server:/export rw")
        ('/my data', 'nfs4')
    """
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), before.split(" ")[4])
    return point, after.split(" ", 1)[0]

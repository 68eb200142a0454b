"""Signs that processes leave while they work, by which others tell one that is at work from one that was killed.

A sign is a small file that names the machine, the process and when that began, and is touched again and again. On the
same machine the system says whether the process lives, also where its number went to another; of another machine the
last touch says it.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from promptlab.support.files import write_text_atomic
from promptlab.support.json_texts import read_json_text
from promptlab.support.locks import HeldError
from promptlab.support.typed_json import PlainError, from_plain, to_plain

log = logging.getLogger(__name__)
BEAT_SECONDS, SILENT_SECONDS = 10.0, 90.0
"""How often a sign is touched, and after how long without a touch another machine's process counts as gone."""
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Sign:
    """Who works, and since when.

    Args:
        host: the machine's name, for people.
        machine: what tells the machine, the time since it was started, and a container on it from all others.
        process: its number.
        started: when the process began, as the system counts; empty where it doesn't tell.
        since: when the work began, in seconds since 1970.
        about: what is worked on, in words of whoever leaves the sign.
        ended: whether the work was broken off by a process that lives on.
    """

    host: str
    machine: str
    process: int
    started: str
    since: float
    about: str = ""
    ended: bool = False

    @property
    def is_own(self) -> bool:
        """Whether this process left it."""
        return (self.machine, self.process, self.started) == (_machine(), os.getpid(), _start_of(os.getpid()))

    @property
    def is_near(self) -> bool:
        """Whether a process of this machine left it, of which the system says whether it lives."""
        return self.machine == _machine() and bool(self.started)


def own_sign(about: str = "") -> Sign:
    """The sign of this process.

    Example:
        >>> own_sign("seed=1").is_own
        True
    """
    process = os.getpid()
    began = _start_of(process) or ""
    return Sign(host=platform.node(), machine=_machine(), process=process, started=began, since=time.time(),
                about=about)  # fmt: skip


@contextmanager
def at_work(path: Path, about: str = "") -> Iterator[None]:
    """Leave a sign while the block runs; one that is broken off leaves it behind, as a killed one does.

    Args:
        path: the file; its folder is made.
        about: what is worked on.

    Example:
        >>> import tempfile
        >>> sign = Path(tempfile.mkdtemp(), "sign")
        >>> with at_work(sign):
        ...     is_alive(sign)
        True
        >>> is_alive(sign)
        False
    """
    sign, done = own_sign(about), threading.Event()
    _write(path, sign)
    threading.Thread(target=_beat, args=(path, done), name=f"sign of {path.name}", daemon=True).start()
    try:
        yield
    except Exception:
        _remove(path, sign)
        raise
    except BaseException:  # an interrupt
        with suppress(OSError):
            _write(path, replace(sign, ended=True))
        raise
    else:
        _remove(path, sign)
    finally:
        done.set()


def read_sign(path: Path) -> Sign | None:
    """The sign at a path; None where there is none, or nothing that can be read."""
    try:
        return from_plain(Sign, read_json_text(path.read_bytes()))
    except (OSError, ValueError, PlainError):
        return None


def is_alive(path: Path) -> bool:
    """Whether whoever left the sign at a path still works."""
    sign = read_sign(path)
    if sign is None or sign.ended:
        return False
    if sign.is_near:
        return _start_of(sign.process) == sign.started
    try:
        return time.time() - path.stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


def wait_for_others(path: Path, *, wait: bool = True) -> None:
    """Let another process end that has its sign at a path.

    Args:
        path: where a sign may be.
        wait: wait for it, with a warning; otherwise that is an error.

    Raises:
        HeldError: if another process is at work and ``wait`` is false.

    Example:
        >>> wait_for_others(Path("a/folder/without/a/sign"))
    """
    said = False
    while (sign := read_sign(path)) is not None and not sign.is_own and is_alive(path):
        if not wait:
            raise HeldError(f"process {sign.process} of {sign.host} works in {path.parent}")
        if not said:
            log.warning("process %d of %s works in %s: waiting for it", sign.process, sign.host, path.parent)
        said = True
        time.sleep(_LOOK_SECONDS)


def _write(path: Path, sign: Sign) -> None:
    write_text_atomic(path, json.dumps(to_plain(sign), indent=1))


def _remove(path: Path, sign: Sign) -> None:
    """Take the sign away, unless another process has left its own there."""
    if read_sign(path) == sign:
        path.unlink(missing_ok=True)


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with suppress(OSError):
            os.utime(path)


@cache
def _machine() -> str:
    """This machine since it was started, or the container on it, within which a process's number means one process."""
    known = [platform.node()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        known.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(' '.join(known).encode()):08x}"


def _start_of(process: int) -> str | None:
    """When a process of this machine began, in ticks; None where there is none that runs, empty where it isn't told."""
    if not Path("/proc/self/stat").exists():
        return ""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]

"""Which files something was made of, so that it is made again once one of them has changed.

Readers say what they read with :func:`note`; whoever keeps what they made records it and asks :func:`unchanged`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

State = tuple[int, ...]
"""Inode, size, and times of change of a file or folder; empty where there is none."""

_recording: ContextVar[dict[str, State] | None] = ContextVar("reads", default=None)


def note(path: str | Path) -> None:
    """Say that a file was read or looked for, or a folder listed; to be called before that."""
    recording = _recording.get()
    if recording is not None:
        recording.setdefault(os.path.abspath(path), _state(path))


@contextmanager
def recorded() -> Iterator[dict[str, State]]:
    """What is noted inside the block: the state of each file and folder, as it was when it was first read.

    Example:
        >>> import tempfile
        >>> names = Path(tempfile.mkdtemp(), "names.txt")
        >>> with recorded() as states:
        ...     note(names)
        >>> unchanged(states)
        True
        >>> _ = names.write_text("cat")
        >>> unchanged(states)
        False
    """
    states: dict[str, State] = {}
    outer = _recording.set(states)
    try:
        yield states
    finally:
        _recording.reset(outer)


def unchanged(states: dict[str, State]) -> bool:
    """Whether all of it is as it was."""
    return all(_state(path) == state for path, state in states.items())


def _state(path: str | Path) -> State:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

"""Ctrl-C and SIGTERM: the work ends as Python's own ``KeyboardInterrupt`` lets it, whatever swallows the exception.

An interrupt that comes while a library is being imported may turn into another error, vanish, or abort a compiled
extension: it waits for the import's end. One that vanished elsewhere, in a finaliser or a bare ``except``, is raised
again. It is remembered, so that the command ends as an interrupted one; a second one ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""What an interrupted command ends with."""
MESSAGE = "promptlab: interrupted; run it again to go on\n"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.2
"""Seconds between an interrupt and the look at what became of it."""
_IMPORTING = "<frozen importlib._bootstrap>"
"""Where Python's own import has its code."""
_asked = False
_caller: FrameType | None = None
"""Who called :func:`interruptible`; what imports that caller is not waited for."""


def was_asked_to_end() -> bool:
    """Whether an interrupt came since :func:`interruptible` began."""
    return _asked


@contextmanager
def interruptible() -> Iterator[None]:
    """Take Ctrl-C and SIGTERM as one: ``KeyboardInterrupt``, then the end; outside the main thread nothing changes.

    Example:
        >>> with interruptible():
        ...     was_asked_to_end()
        False
    """
    global _asked, _caller
    _asked = False
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _caller = sys._getframe(2)  # past contextlib's frame
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        _look_again_after(0)
        _caller = None
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with(status: int) -> None:
    """Prepare the end of the process: a further interrupt changes nothing, and an interrupted one ends here.

    What was interrupted while it was being imported may not end well by itself.

    Args:
        status: what the process ends with.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os._exit(status))
    if status == INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _interrupt(_: int, frame: FrameType | None) -> None:
    global _asked
    if _asked:
        os.write(2, MESSAGE.encode())
        os._exit(INTERRUPTED)
    _asked = True
    # raised inside a finaliser it would be printed
    setattr(sys, "unraisablehook", lambda _: None)  # noqa: B010
    _raise(signal.SIGALRM, frame)


def _raise(_: int, frame: FrameType | None) -> None:
    """Raise the interrupt where nothing is imported and no earlier one is on its way, and look again later."""
    _look_again_after(_AGAIN)
    if _importing(frame) or _on_its_way():
        return
    raise KeyboardInterrupt


def _look_again_after(seconds: float) -> None:
    """Have :func:`_raise` called after this many seconds; 0 calls the look off."""
    if _asked:
        if seconds:
            signal.signal(signal.SIGALRM, _raise)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is under way in this frame or in one that called it, up to the caller's."""
    while frame is not None and frame is not _caller:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


def _on_its_way() -> bool:
    """Whether the interrupt, or what a library made of it, is being handled right now."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False

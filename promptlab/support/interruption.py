"""Ctrl-C and SIGTERM: the work ends as Python's own ``KeyboardInterrupt`` lets it, whatever swallows the exception.

An interrupt that comes while a library is being imported may turn into another error, or vanish. It is remembered here,
so that the command still ends as an interrupted one; a second one ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""What an interrupted command ends with."""
MESSAGE = "promptlab: interrupted; run it again to go on\n"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = False


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
    global _asked
    _asked = False
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
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


def _interrupt(*_: object) -> None:
    global _asked
    if _asked:
        os.write(2, MESSAGE.encode())
        os._exit(INTERRUPTED)
    _asked = True
    # raised inside a finaliser it would be printed, and the work would go on
    setattr(sys, "unraisablehook", lambda _: None)  # noqa: B010
    raise KeyboardInterrupt

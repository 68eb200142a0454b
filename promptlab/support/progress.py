"""Progress bars on the error stream, which go away when done: over images, over bytes, and what others are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
"""To be called with the number of images or bytes just done."""


@contextmanager
def image_progress(description: str, total: int, show: bool) -> Iterator[Advance]:
    """A bar with images per second.

    Args:
        description: what is happening to the images.
        total: how many images there are.
        show: False for no bar; nor is there one if ``total`` is 0, or where nobody sees it (a log file).

    Yields:
        A function to call with the number of images just done.

    Example:
        >>> with image_progress("reading images", 2, show=False) as advance:
        ...     advance(2)
    """
    columns = (MofNCompleteColumn(), _ImagesPerSecond(), TimeRemainingColumn())
    with _counting(description, total, columns, show=show and total > 0) as advance:
        yield advance


@contextmanager
def byte_progress(description: str, total: int | None, *, start: int = 0) -> Iterator[Advance]:
    """A bar with bytes per second; none where nobody sees it (a log file).

    Args:
        description: what the bytes are.
        total: how many there are, or None if nobody knows.
        start: how many are done.

    Yields:
        A function to call with the number of bytes just done.
    """
    columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _counting(description, total, columns, start=start) as advance:
        yield advance


def bar(*columns: ProgressColumn, console: Console | None = None) -> Progress:
    """A description, a bar, and these columns.

    Args:
        columns: what stands beside the bar.
        console: where it is shown; the error stream if None.

    Example:
        >>> len(bar(MofNCompleteColumn()).columns)
        3
    """
    shown_on = console or Console(stderr=True)
    return Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=shown_on, transient=True)


@contextmanager
def _counting(
    description: str, total: int | None, columns: tuple[ProgressColumn, ...], *, start: int = 0, show: bool = True
) -> Iterator[Advance]:
    console = Console(stderr=True)
    if not show or not (console.is_terminal or console.is_jupyter):
        yield lambda done: None
        return
    with bar(*columns, console=console) as progress:
        task = progress.add_task(description, total=total, completed=start)
        yield lambda done: progress.update(task, advance=done)


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} images/s" if speed else "")

"""The progress bar over images, with images per second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} images/s" if speed else "")


@contextmanager
def image_progress(description: str, total: int, show: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the error stream that goes away when done.

    Args:
        description: what is happening to the images.
        total: how many images there are.
        show: False for no bar; nor is there one if ``total`` is 0, or where nobody sees it (a log file).

    Yields:
        A function to call with the number of images just done.
    """
    console = Console(stderr=True)
    if not show or total == 0 or not (console.is_terminal or console.is_jupyter):
        yield lambda done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _ImagesPerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, advance=done)

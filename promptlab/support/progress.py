"""How far long work is, on the error stream: bars on a terminal, which go away when done; lines now and then elsewhere.

In a pipe, a log file or a dumb terminal nothing can be drawn anew: there a :class:`LineNowAndThen` says how far it is,
first after ten seconds, then ever more rarely.
"""

from __future__ import annotations

import time
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
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from promptlab.support.console import console as error_console
from promptlab.support.console import is_live, say

FIRST_LINE_S, LONGEST_PAUSE_S = 10.0, 600.0
"""When the first line comes, and how far apart lines get: each pause is twice the one before."""
Advance = Callable[[int], None]
"""To be called with the number of images or bytes just done."""


@contextmanager
def image_progress(description: str, total: int | None, show: bool) -> Iterator[Advance]:
    """A bar with images per second.

    Args:
        description: what is happening to the images.
        total: how many images there are, or None if nobody knows.
        show: False for no bar; nor is there one if ``total`` is 0.

    Yields:
        A function to call with the number of images just done.

    Example:
        >>> with image_progress("reading images", 2, show=False) as advance:
        ...     advance(2)
    """
    columns = (MofNCompleteColumn(), _ImagesPerSecond(), TimeRemainingColumn())
    with _counting(description, "images", total, columns, show=show and total != 0) as advance:
        yield advance


@contextmanager
def byte_progress(description: str, total: int | None, *, start: int = 0) -> Iterator[Advance]:
    """A bar with bytes per second.

    Args:
        description: what the bytes are.
        total: how many there are, or None if nobody knows.
        start: how many are done.

    Yields:
        A function to call with the number of bytes just done.
    """
    columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _counting(description, "bytes", total, columns, start=start) as advance:
        yield advance


@contextmanager
def step_progress(description: str, total: int, unit: str) -> Iterator[Callable[[float, str], None]]:
    """A bar over steps that are themselves long, with what is being done now.

    Args:
        description: what is done, before anything is.
        total: how many steps there are.
        unit: of what is counted, e.g. ``fits``.

    Yields:
        A function to call with the share of a step that was just done, and what is being done.

    Example:
        >>> with step_progress("choosing", 2, "fits") as advance:
        ...     advance(0.5, "fold 1")
    """
    console = error_console(stderr=True)
    if is_live(console):
        with bar(TaskProgressColumn(), TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task(description, total=total)
            yield lambda done, what: progress.update(task, advance=done, description=what)
        return
    lines, so_far = LineNowAndThen(description, unit, total), 0.0

    def advance(done: float, what: str) -> None:
        nonlocal so_far
        before, so_far = so_far, so_far + done
        say_if(lines.due(int(so_far + 1e-9) - int(before + 1e-9), what))

    yield advance


class LineNowAndThen:
    """Says how far work is, in lines that become rarer; work that ends before the first says nothing.

    Args:
        what: what is being done.
        unit: of what is counted, e.g. ``images``.
        total: how many there are, or None if nobody knows.
        start: how many were done before.
        clock: seconds.

    Example:
        >>> seconds = iter([0.0, 4.0, 12.0])
        >>> lines = LineNowAndThen("encoding", "images", 1200, clock=lambda: next(seconds))
        >>> lines.due(200), lines.due(400)
        (None, 'encoding: 600 of 1,200 images, 50 images/s, 12 s left')
    """

    def __init__(
        self, what: str, unit: str, total: int | None, *, start: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._unit, self._total, self._clock = what, unit, total, clock
        self._done, self._start, self._began, self._pause = start, start, clock(), FIRST_LINE_S
        self._next = self._began + self._pause

    def due(self, done: int, also: str = "") -> str | None:
        """Count what was just done; the line, if it is time for one.

        Args:
            done: how many more are done.
            also: what else is known, at the end of the line.
        """
        self._done += done
        now = self._clock()
        if now < self._next:
            return None
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        self._next = now + self._pause
        speed = (self._done - self._start) / max(now - self._began, 1e-9)
        of = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._what}: {self._done:,}{of} {self._unit}", f"{speed:,.3g} {self._unit}/s" if speed < 10 else
                 f"{speed:,.0f} {self._unit}/s"]  # fmt: skip
        if self._total is not None and speed:
            parts.append(f"{in_words((self._total - self._done) / speed)} left")
        return ", ".join([*parts, *([also] if also else [])])


def in_words(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> in_words(12), in_words(200), in_words(7500)
        ('12 s', '3 min 20 s', '2 h 5 min')
    """
    minutes, left = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def bar(*columns: ProgressColumn, console: Console | None = None) -> Progress:
    """A description, a bar, and these columns.

    Args:
        columns: what stands beside the bar.
        console: where it is shown; the error stream if None.

    Example:
        >>> len(bar(MofNCompleteColumn()).columns)
        3
    """
    shown_on = console or error_console(stderr=True)
    named = TextColumn("{task.description}", markup=False)
    return Progress(named, BarColumn(), *columns, console=shown_on, transient=True)


@contextmanager
def _counting(
    what: str,
    unit: str,
    total: int | None,
    columns: tuple[ProgressColumn, ...],
    *,
    start: int = 0,
    show: bool = True,
) -> Iterator[Advance]:
    console = error_console(stderr=True)
    if not show:
        yield lambda done: None
    elif is_live(console):
        with bar(*columns, console=console) as progress:
            task = progress.add_task(what, total=total, completed=start)
            yield lambda done: progress.update(task, advance=done)
    else:
        lines = LineNowAndThen(what, unit, total, start=start)
        yield lambda done: say_if(lines.due(done))


def say_if(line: str | None) -> None:
    """Print a line on the error stream, if there is one."""
    if line is not None:
        say(line, stderr=True)


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} images/s" if speed else "")

"""The lines that a sweep says of its runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from promptlab.jobs.grid import Grid
from promptlab.support.console import say


def say_of_run(grid: Grid, number: int, shown: Sequence[str], said: str, *, as_json: bool) -> None:
    """A line about a run, which begins with its place and what tells it from the others."""
    place = f"{grid.place_of(number)}  {grid.varying(shown)}".rstrip()
    say(f"{place}  {said}", stderr=as_json)


def say_failed(grid: Grid, number: int, shown: Sequence[str], error: str, *, as_json: bool) -> None:
    """What a run failed with, and the command that repeats it alone."""
    say_of_run(grid, number, shown, f"failed: {error}\n{'':8}alone: {shlex.join(grid.alone(shown))}", as_json=as_json)

"""Going on with a sweep that is written down, without its command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from promptlab.jobs.grid import Grid, read_grid, sweeps_in
from promptlab.support.console import say
from promptlab.support.errors import UsageError


def take_up(place: str | Path, words: Sequence[str]) -> tuple[Path, list[str]]:
    """A sweep's folder, and the command that goes on with it; the working folder becomes the one it was started in.

    Args:
        place: the sweep's folder, or a folder of Results, of whose sweeps the last is meant.
        words: given anew, in place of what the sweep was started with: ``hydra/launcher=joblib`` and the like.

    Raises:
        GridError: if there is no such sweep.
        UsageError: if the words would change its runs, or several sweeps lie in that folder.
    """
    found = sweeps_in(place)
    if len(found) > 1:
        raise UsageError(f"{place} holds {len(found)} sweeps: name one of them, such as {found[-1]}")
    folder = found[0].absolute()
    grid = read_grid(folder)
    if grid.runs is None:
        raise UsageError(f"{folder}: its runs were made up by another sweeper as it went: repeat its command")
    kept = _replaced(grid, words)
    if Path.cwd() != Path(grid.folder):
        _work_in(grid.folder)
    inside = folder.is_relative_to(Path.cwd())
    return (folder.relative_to(Path.cwd()) if inside else folder), [*kept, *words]


def _replaced(grid: Grid, words: Sequence[str]) -> list[str]:
    """The command without what is given anew; with another launcher also the options of the old one go.

    Raises:
        UsageError: for a word that would change what the runs are.
    """
    keys = [word.lstrip("+").partition("=")[0] for word in words]
    other = [word for word, key in zip(words, keys, strict=True) if not key.startswith(("hydra/", "hydra."))]
    if other:
        raise UsageError(f"{other[0]}: the runs of a sweep are written down; what can be given anew is how they are "
                         "launched, such as hydra/launcher=joblib hydra.launcher.n_jobs=4")  # fmt: skip
    gone = ("hydra.launcher.",) if "hydra/launcher" in keys else ()
    named = {word: word.lstrip("+").partition("=")[0] for word in grid.command}
    return [word for word in grid.command if named[word] not in keys and not named[word].startswith(gone or "\0")]


def _work_in(folder: str) -> None:
    """Go to the folder that relative paths of the command start from, where it is there."""
    try:
        os.chdir(folder)
    except OSError:
        say(f"there is no {folder}, where the sweep was started: relative paths start from {Path.cwd()}", stderr=True)

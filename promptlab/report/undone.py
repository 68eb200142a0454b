"""Runs of sweeps that have no Result: what each is, how far it came, and the command that repeats it.

Who knows sweeps hands them in (:mod:`promptlab.jobs.undone`): a report itself is made of Results alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.support.words import counted, shortened

LINES = 10
"""Most runs of a sweep that the terminal lists."""


@dataclass(frozen=True, kw_only=True)
class UndoneRun:
    """A run that has no Result.

    Args:
        state: how far it came: ``failed``, ``interrupted``, ``running`` or ``missing``.
        settings: what tells it from the other runs of its sweep, as it is typed.
        command: what makes this one alone.
        error: what it failed with; empty for others.
    """

    state: str
    settings: str
    command: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class UndoneSweep:
    """A sweep that has runs without a Result.

    Args:
        folder: the sweep's.
        total: how many runs it has.
        runs: those without a Result that no later sweep has as well.
        command: what goes on with all of them; empty while processes work on them.

    Example:
        >>> run = UndoneRun(state="missing", settings="seed=2", command="promptlab seed=2")
        >>> UndoneSweep(folder="results/sweeps/a", total=3, runs=(run,), command="promptlab sweep resume a").sentence
        'results/sweeps/a: 1 of 3 runs has no result (1 missing); promptlab sweep resume a goes on with what is left.'
    """

    folder: str
    total: int
    runs: tuple[UndoneRun, ...]
    command: str

    @property
    def sentence(self) -> str:
        """How many of its runs have no Result, and how to go on."""
        counts = ", ".join(f"{count} {state}" for state, count in Counter(run.state for run in self.runs).items())
        have = "has" if len(self.runs) == 1 else "have"
        further = f"{self.command} goes on with what is left" if self.command else "processes are at work on it"
        return (
            f"{self.folder}: {len(self.runs)} of {counted(self.total, 'run')} {have} no result ({counts}); {further}."
        )


def undone_lines(sweep: UndoneSweep) -> list[str]:
    """A sweep's runs without a Result for the terminal, each with its command on a line below it."""
    runs = [
        f"{run.state:<12}{run.settings}{': ' if run.error else ''}{run.error}\n{'':12}{run.command}"
        for run in sweep.runs
    ]
    return [sweep.sentence, *shortened(runs, LINES)]


def undone_rows(sweeps: Sequence[UndoneSweep]) -> tuple[list[str], list[list[str]]]:
    """The same as a table: names of the columns that say something, and a row of texts per run."""
    names = ["sweep", "state", "run", "error", "command"]
    rows = [[sweep.folder, run.state, run.settings, run.error, run.command] for sweep in sweeps for run in sweep.runs]
    needless = {"sweep"} if len(sweeps) < 2 else set()
    needless |= set() if any(run.error for sweep in sweeps for run in sweep.runs) else {"error"}
    kept = [at for at, name in enumerate(names) if name not in needless]
    return [names[at] for at in kept], [[row[at] for at in kept] for row in rows]

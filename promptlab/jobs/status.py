"""How far a sweep is: each of its runs done, running, failed, interrupted or missing, and how long the rest takes.

What is told by the run's note in the sweep's folder, by Results that have its settings wherever they are filed, and by
the signs of processes at work (:mod:`promptlab.support.at_work`); nothing here needs torch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from promptlab.jobs.alike import Durations, Kind, seconds_left
from promptlab.jobs.found import Finder, Found
from promptlab.jobs.grid import Grid, Planned, read_grid
from promptlab.jobs.notes import noted, parents, read_note, sign_path
from promptlab.results.store import RESULT_NAME
from promptlab.support.at_work import Sign, is_alive, read_sign

State = Literal["done", "running", "failed", "interrupted", "missing"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far one run is.

    Args:
        number: in the grid, from 0.
        shown: its overrides as they are typed.
        state: how far it is.
        folder: where its Result lies, if it is done.
        found: whether it is done by a Result of its settings that the sweep hasn't come to yet: its images or its
            learner's version may be others since, which the run itself will tell.
        error: what it failed with.
        sign: of the process that works on it, or did before it was killed.
        kind: what its duration follows from; None where the sweep has no grid.
    """

    number: int
    shown: tuple[str, ...]
    state: State
    folder: Path | None = None
    found: bool = False
    error: str | None = None
    sign: Sign | None = None
    kind: Kind | None = None


@dataclass(frozen=True, kw_only=True)
class SweepStatus:
    """How far a sweep is.

    Args:
        folder: the sweep's.
        grid: what was asked for.
        runs: by job number.
        seconds_left: until all are done, None where nobody can tell.
        parents: how many processes go through its runs now.
    """

    folder: Path
    grid: Grid
    runs: tuple[RunStatus, ...]
    seconds_left: float | None
    parents: int

    @property
    def counts(self) -> dict[State, int]:
        """How many runs are in each state."""
        counted = Counter(run.state for run in self.runs)
        return {state: counted[state] for state in STATES}

    def of(self, *states: State) -> list[RunStatus]:
        """The runs in some states."""
        return [run for run in self.runs if run.state in states]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: each run is done, or failed, and no process looks at what it found done."""
        return not self.of("running", "interrupted", "missing") and not (self.found and self.parents)

    @property
    def found(self) -> list[RunStatus]:
        """The runs that are done by Results that the sweep hasn't come to yet."""
        return [run for run in self.runs if run.found]


class SweepWatcher:
    """Tells how far a sweep is, again and again.

    Args:
        folder: the sweep's.

    Raises:
        GridError: if it is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.grid = folder, read_grid(folder)
        self.finder = Finder(_results_of(folder, self.grid))

    def look(self, found: Found | None = None) -> SweepStatus:
        """How far it is now.

        Args:
            found: what lies in its folder of Results; looked for if None.
        """
        found = self.finder.look() if found is None else found
        runs = tuple(self._run(number, planned, found) for number, planned in self._planned())
        durations = Durations((done.kind, done.seconds) for done in found.by_folder.values())
        left, by = _seconds_left(runs, durations), parents(self.folder)
        return SweepStatus(folder=self.folder, grid=self.grid, runs=runs, seconds_left=left, parents=by)

    def _planned(self) -> Sequence[tuple[int, Planned | None]]:
        """The runs of the grid, or those that have ended where there is none."""
        if self.grid.runs is None:
            return [(number, None) for number in noted(self.folder)]
        return list(enumerate(self.grid.runs))

    def _run(self, number: int, planned: Planned | None, found: Found) -> RunStatus:
        note = read_note(self.folder, number) or {}
        shown = planned.shown if planned is not None else tuple(note.get("overrides", ()))
        state, about = self._state(number, "" if planned is None else planned.key, note, found)
        kind = None if planned is None else planned.kind
        return RunStatus(number=number, shown=shown, state=state, kind=kind, **about)

    def _state(self, number: int, key: str, note: Mapping[str, Any], found: Found) -> tuple[State, dict[str, Any]]:
        if (folder := self._noted(note, found)) is not None:
            return "done", {"folder": folder}
        if not self.grid.force and key in found.finished:
            return "done", {"folder": found.finished[key].folder, "found": True}
        own = sign_path(self.folder, number)
        for path in (own, found.at_work.get(key)):
            if path is not None and is_alive(path):
                return "running", {"sign": read_sign(path)}
        if (left := read_sign(own)) is not None:
            return "interrupted", {"sign": left}
        if "error" in note:
            return "failed", {"error": note["error"]}
        if (broken := found.broken_off.get(key)) is not None:
            return "interrupted", {"sign": read_sign(broken)}
        if (damage := found.damaged.get(self._here(note))) is not None:
            return "failed", {"error": damage}
        return "missing", {}

    def _noted(self, note: Mapping[str, Any], found: Found) -> Path | None:
        """The folder of the Result that the run was noted with, while that is there."""
        folder = self._here(note)
        there = folder in found.by_folder or (not self.finder.covers(folder) and (folder / RESULT_NAME).is_file())
        return folder if "folder" in note and there else None

    def _here(self, note: Mapping[str, Any]) -> Path:
        """The folder that a run noted, also where all Results were moved since, or lie elsewhere on this machine."""
        folder, before = Path(note.get("folder", "")), Path(self.grid.results)
        return self.finder.root / folder.relative_to(before) if folder.is_relative_to(before) else folder


def look(folder: Path) -> SweepStatus:
    """How far a sweep is.

    Raises:
        GridError: if the folder is no sweep's.
    """
    return SweepWatcher(folder).look()


def _results_of(sweep: Path, grid: Grid) -> Path:
    """The folder of Results: the one that the sweep lies in, wherever that was moved, else the one of its start."""
    return sweep.absolute().parent.parent if sweep.absolute().parent.name == "sweeps" else Path(grid.results)


def _seconds_left(runs: Sequence[RunStatus], durations: Durations) -> float | None:
    now = time.time()
    waiting, running = [], []
    for run in runs:
        if run.kind is None or run.state not in ("running", "interrupted", "missing"):
            continue
        whole = durations.of(run.kind)
        if run.state == "running" and run.sign is not None:
            running.append((whole, now - run.sign.since))
        else:
            waiting.append(whole)
    return seconds_left(waiting, running)
